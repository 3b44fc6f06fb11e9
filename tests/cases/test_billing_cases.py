"""Other people's reports of fees, minimums, cache lifetimes, prefixes and providers' own bills, with the right answers.

`fees.jsonl` are calls as `genai-cost price --jsonl` takes them; `estimated` ones rest on a default. `bills.jsonl` are
usage objects as a provider returned them, on a span of OpenInference's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.tenancy.attribution import Attribution
from tests.cli.command import rows
from tests.usage.recorded import span_with

_HERE: Final = Path(__file__).parent
_FEES: Final = (_HERE / "fees.jsonl").read_text("utf-8")
_BILLS: Final = [
    json.loads(line) for line in (_HERE / "bills.jsonl").read_text("utf-8").splitlines()
]
_BOOK: Final = load_book()


def test_calls_cost_what_their_providers_bill() -> None:
    asked = [json.loads(line) for line in _FEES.splitlines()]
    answers = rows("price", "--jsonl", stdin=_FEES)
    assert [(a["id"], a["total"], a.get("quality") == "estimated") for a in answers] == [
        (case["id"], case["expected_usd"], case.get("estimated", False)) for case in asked
    ]


@pytest.mark.parametrize("case", _BILLS, ids=lambda case: case["id"])
def test_a_bill_is_read_where_it_is_one(case: dict[str, Any]) -> None:
    usage, model = case["usage"], case["model"]
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.provider": case["provider"],
        "llm.model_name": model,
        "llm.token_count.prompt": usage["prompt_tokens"],
        "llm.token_count.completion": usage["completion_tokens"],
        "output.value": json.dumps({"id": "r", "model": model, "usage": usage}),
    }
    span = span_with(attributes, scope="openinference.instrumentation.openai")
    [observation] = meter(span, CallProfiles(_BOOK), lambda _: Attribution())
    assert (observation.cost.total_text, observation.cost.bounds) == (case["total"], None)
