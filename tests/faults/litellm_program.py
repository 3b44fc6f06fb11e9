"""The load by LiteLLM's own budgets: what its proxy calls before and after a request, without a database.

    python -m tests.faults.litellm_program [WORKERS …]

Prints one JSON object: for each number of workers how much of the cap was spent. A key has the budget; its spend is
counted in this process's memory, as by a proxy without Redis.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from tests.faults.spending_load import CAP_USD, MODEL, WORKERS, Asked, worst

_ROUTE = "/chat/completions"


class _Key:
    """A key of the proxy with a budget."""

    _made = 0

    def __init__(self) -> None:
        self._litellm: Any = import_module("litellm")
        self._budgets: Any = import_module("litellm.proxy.spend_tracking.budget_reservation")
        types: Any = import_module("litellm.proxy._types")
        server: Any = import_module("litellm.proxy.proxy_server")
        self._logging, self._cache = server.proxy_logging_obj, server.user_api_key_cache
        _Key._made += 1
        self._token = types.UserAPIKeyAuth(token=f"key-{_Key._made}", max_budget=float(CAP_USD))

    async def admit(self, asked: Asked) -> Any:
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "word " * asked.input_tokens}],
            "max_tokens": asked.output_max,
        }
        try:
            found = await self._budgets.reserve_budget_for_request(
                request_body=body,
                route=_ROUTE,
                llm_router=None,
                valid_token=self._token,
                team_object=None,
                user_object=None,
                prisma_client=None,
                user_api_key_cache=self._cache,
                proxy_logging_obj=self._logging,
            )
        except self._litellm.BudgetExceededError:
            return None
        assert found is not None, "LiteLLM held nothing: it does not know the model's price"
        return found

    async def settle(self, admitted: Any, asked: Asked) -> None:
        await self._budgets.reconcile_budget_reservation(admitted, asked.cost_nano / 10**9)


async def _opened() -> _Key:
    return _Key()


def main(*workers: str) -> None:
    """Run it for each number of workers."""
    found = {count: worst(_opened, int(count)) for count in workers or map(str, WORKERS)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
