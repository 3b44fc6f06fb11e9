"""LiteLLM's budget on the same load as ours: its own functions, in an environment of its own.

Its proxy wants a database whose engine cannot be had everywhere, so what it calls before and after a request is called
without one: a key's budget is reserved and reconciled in this process's memory, as by a proxy without Redis.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.holding import settle
from otel_genai_cost.gate.holds_api import reserved
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.gate.tokens import TOKENS_FILE, Bearer, Tokens
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import budget_record
from otel_genai_cost.pricing.load import load_book
from tests.demo.processes import ROOT
from tests.environments.made import python_with
from tests.faults.row import Row
from tests.faults.spending_load import CAP_USD, MODEL, WORKERS, Asked, worst
from tests.limits.build import budget

__all__ = ["LITELLM", "rows", "theirs"]

LITELLM: Final = ("litellm[proxy]==1.97.0", "fastapi==0.136.3")
"""A later fastapi than the one that it names first lacks what it imports."""

_KEPT: Final = Path(tempfile.gettempdir()) / "otel-genai-cost-contract"
_WANTED: Final = "<= 1.000 of the cap"


def rows(short: bool) -> Iterator[Row]:
    """Theirs is shown, and fails nothing, unless it cannot be run.

    Args:
        short: whether one run of ours will do.
    """
    for workers in WORKERS[:1] if short else WORKERS:
        began_s = time.monotonic()
        with ExitStack() as stack:
            found = worst(_Ours(stack).opened, workers, *((range(1),) if short else ()))
        yield _row(workers, "ours", found, held=found <= 1, began_s=began_s)
    if not short:
        began_s = time.monotonic()
        for workers, found in theirs().items():
            yield _row(workers, f"LiteLLM's ({LITELLM[0]})", found, held=True, began_s=began_s)


def _row(workers: int, whose: str, found: float, *, held: bool, began_s: float) -> Row:
    name = f"{workers} calls at once, in process: {whose}"
    return Row(name, _WANTED, f"{found:.3f} of the cap", held, time.monotonic() - began_s)


def theirs(*workers: int) -> dict[int, float]:
    """How much of the cap is spent in the end by LiteLLM's budget.

    Args:
        workers: how many call at once, each a run of its own; none for the usual numbers.
    """
    python = python_with(_KEPT, *LITELLM, ours=None)
    command = [str(python), "-m", "tests.faults.litellm_program", *map(str, workers)]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {int(count): spent for count, spent in found.items()}


class _Ours:
    """A gate over a ledger of its own for each run."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack, self._book = stack, load_book()

    async def opened(self) -> _Cap:
        home = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        cap = budget("cap", scope={"tenant": "acme"}, hard=str(CAP_USD), period="total")
        with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
            ledger.ingest([{"type": BUDGET, **budget_record(cap)}], time.time_ns() // 1000, 0)
        tokens = Tokens(home / TOKENS_FILE, lambda: time.time_ns() // 1000)
        gate = Gate(SqliteStore(home, []), tokens, lambda: self._book, home)
        self._stack.callback(gate.close)
        return _Cap(gate)


class _Cap:
    """A tenant's budget."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def admit(self, asked: Asked) -> str | None:
        hold_id = f"{asked.number:032x}"
        values: dict[str, Any] = {
            "id": hold_id,
            "tenant": "acme",
            "provider": "openai",
            "model": MODEL,
            "input_tokens": asked.input_tokens,
            "max_tokens": asked.output_max,
            "modalities": ["text"],
            "dispatched": True,
        }
        answer = await reserved(self._gate, Bearer(None), values)
        return hold_id if answer.status == 200 else None

    async def settle(self, admitted: object, asked: Asked) -> None:
        atto = asked.cost_nano * 10**9
        await self._gate.run(lambda within: settle(within, str(admitted), atto))
