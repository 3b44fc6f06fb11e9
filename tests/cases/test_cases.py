"""Other people's cases come out right, or are marked where nothing on the span tells what is right."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import quality_of
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.replay.batch import Replayed, replay
from otel_genai_cost.replay.recordings import recordings
from tests.cli.command import rows

HERE: Final = Path(__file__).parent
_ROWS: Final = [
    json.loads(line) for line in (HERE / "replay.jsonl").read_text("utf-8").splitlines()
]
_PRICES: Final = (HERE / "price.jsonl").read_text("utf-8")


@lru_cache(maxsize=1)
def _book() -> Book:
    return load_book()


def _charges(name: str) -> list[Replayed]:
    found = recordings([str(HERE / "replay" / f"{name}.jsonl")], BytesIO())
    return [each for each in replay(found, _book()) if each.kind == "charge"]


def _is_marked(charge: Replayed) -> bool:
    verdict = charge.verdict
    assert verdict is not None
    quality = quality_of(verdict.richest.reading.usage, verdict.cost)
    return quality != "reported" or verdict.cost.status != "priced"


def _total(charge: Replayed) -> Decimal:
    verdict = charge.verdict
    assert verdict is not None
    is_priced = verdict.cost.status == "priced"
    return Decimal(verdict.cost.total_text or 0) if is_priced else Decimal(0)


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row["id"])
def test_a_case_is_charged_rightly_or_marked(row: dict[str, Any]) -> None:
    charges = _charges(row["id"])
    marked = [charge for charge in charges if _is_marked(charge)]
    if row["charges"] is not None:
        assert len(charges) == row["charges"]
    if row["mark_is_enough"] and marked:
        return
    assert marked == []
    assert sum(map(_total, charges)) == Decimal(row["total"])


def test_every_file_has_a_row() -> None:
    assert {path.stem for path in (HERE / "replay").glob("*.jsonl")} == {row["id"] for row in _ROWS}


def test_calls_cost_what_their_providers_bill() -> None:
    asked = [json.loads(line) for line in _PRICES.splitlines()]
    answers = rows("price", "--jsonl", stdin=_PRICES)
    assert [(a["id"], a["total"]) for a in answers] == [(e["id"], e["expected_usd"]) for e in asked]
