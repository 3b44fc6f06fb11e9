"""A statement as JSON: what others read, back to the same value, and no digit of it may change unnoticed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.statements.statement import (
    Statement,
    StatementLine,
    sealed,
    statement_of,
    statement_record,
)

_LINE = StatementLine(
    "openai/gpt-4o input",
    1_000,
    "tokens",
    3 * ATTO // 100,
    25 * 10**15,
    10**15,
    "openai",
    "gpt-4o",
    "input",
)
STATEMENT = sealed(
    Statement(
        tenant="acme",
        period_from_us=1_759_276_800_000_000,
        period_to_us=1_761_955_200_000_000,
        zone="UTC",
        revision=2,
        seq_from=5,
        seq_to=9,
        currency="EUR",
        cost=10**15,
        price=25 * 10**15,
        lines=(_LINE,),
        total=3 * ATTO // 100,
        unpriced=1,
        gaps=0,
        scope="feature",
        scope_value="cha\u202et",
        accepted=("unpriced",),
        previous="00",
        causes={"rerated": 1, "charged": 2},
        to_date=(2 * 10**15, 5 * 10**16, 5 * 10**16),
        calls=2,
    )
)


def test_the_keys_that_others_script_against_come_first() -> None:
    record = statement_record(STATEMENT)
    assert list(record)[:15] == [
        *("tenant", "period_from", "period_to", "zone", "revision", "seq_from", "seq_to"),
        *("currency", "cost", "price", "lines", "total", "unpriced", "gaps", "digest"),
    ]
    assert list(record["lines"][0])[:4] == ["product", "quantity", "unit", "amount"]
    assert (record["period_from"], record["total"]) == ("2025-10-01T00:00:00Z", "0.03")
    assert (record["price"], record["cost"]) == ("0.025", "0.001")


def test_its_json_is_the_same_statement() -> None:
    assert statement_of(json.loads(json.dumps(statement_record(STATEMENT)))) == STATEMENT


def _changed(record: dict[str, Any], key: str) -> dict[str, Any]:
    changed = json.loads(json.dumps(record))
    if key == "amount":
        changed["lines"][0]["amount"] = "0.04"
    else:
        changed[key] = changed[key] + 1
    return dict(changed)


@pytest.mark.parametrize("key", ["amount", "revision", "unpriced", "seq_to", "gaps", "calls"])
def test_what_was_changed_does_not_fit_its_digest(key: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        statement_of(_changed(statement_record(STATEMENT), key))
