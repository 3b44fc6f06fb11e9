"""Files of a bill say together what each alone does: nothing is counted twice, and no quantity is made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.currency import converted
from otel_genai_cost.reconciliation.importers.format import day_of
from otel_genai_cost.reconciliation.importers.meter import meter_of
from otel_genai_cost.reconciliation.names import words_of
from otel_genai_cost.reconciliation.reading import read_bill

_DAY_S: Final = 1_791_158_400  # 2026-10-05
_MODEL: Final = "gpt-4o-2024-08-06"
_USD: Final = 10**18


def _page(folder: Path, name: str, *results: Mapping[str, Any]) -> Path:
    bucket = {"object": "bucket", "start_time": _DAY_S, "results": results}
    page = {"object": "page", "data": [bucket], "has_more": False}
    (folder / name).write_text(json.dumps(page), encoding="utf-8")
    return folder / name


def _cost(item: str, dollars: int, **more: Any) -> dict[str, Any]:
    amount = {"value": dollars, "currency": "usd"}
    return {
        "object": "organization.costs.result",
        "line_item": item,
        "amount": amount,
        **more,
    }


def _usage(tokens: int, **more: Any) -> dict[str, Any]:
    return {
        "object": "organization.usage.completions.result",
        "model": _MODEL,
        "input_tokens": tokens,
        "output_tokens": 0,
        **more,
    }


def _read(*paths: Path) -> dict[tuple[str | None, str | None, str], tuple[object, object]]:
    cells = read_bill("openai", paths).cells
    return {
        (cell.token_type, cell.key, cell.tier): (
            one.quantity,
            None if one.amount is None else one.amount // _USD,
        )
        for cell, one in cells.items()
    }


def test_quantities_of_costs_are_not_counted_once_more_by_a_report_of_usage(tmp_path: Path) -> None:
    costs = _page(tmp_path, "costs.json", _cost(f"{_MODEL}, input", 3, quantity=1_000))
    usage = _page(tmp_path, "usage.json", _usage(400), _usage(600, service_tier="flex"))
    for paths in ((costs, usage), (usage, costs)):
        assert _read(*paths) == {("input", None, ""): (1_000, 3)}


def test_costs_without_quantities_get_those_of_a_report_of_usage(tmp_path: Path) -> None:
    costs = _page(tmp_path, "costs.json", _cost(f"{_MODEL}, input", 3))
    usage = _page(
        tmp_path,
        "usage.json",
        _usage(400, api_key_id="key_a"),
        _usage(600, service_tier="flex", api_key_id="key_b"),
    )
    for paths in ((costs, usage), (usage, costs)):
        assert _read(*paths) == {("input", None, ""): (1_000, 3)}


def test_usage_is_worth_nothing_beside_the_money_that_is_taken_for_it(tmp_path: Path) -> None:
    costs = _page(
        tmp_path,
        "costs.json",
        *(
            _cost(f"{_MODEL}, input", n, quantity=100 * n, project_id=f"proj_{n}")
            for n in range(1, 3)
        ),
    )
    usage = _page(tmp_path, "usage.json", _usage(300))
    assert _read(costs, usage) == {
        ("input", "proj_1", ""): (100, 1),
        ("input", "proj_2", ""): (200, 2),
    }


def test_a_quantity_of_a_part_is_not_taken_for_that_of_the_whole(tmp_path: Path) -> None:
    lines = (_cost(f"{_MODEL}, input", 1, quantity=100), _cost(f"{_MODEL}, input", 1))
    for n, results in enumerate((lines, lines[::-1], (*lines, lines[0]))):
        read = _read(_page(tmp_path, f"{n}.json", *results))
        assert read == {("input", None, ""): (None, len(results))}


@pytest.mark.parametrize(
    "item", [f"{_MODEL}, batch input", f"{_MODEL}, input, batch", f"{_MODEL} (batch), input"]
)
def test_a_tier_may_stand_anywhere_in_a_line_item(tmp_path: Path, item: str) -> None:
    (cell,) = read_bill("openai", [_page(tmp_path, "costs.json", _cost(item, 1))]).cells
    assert (cell.model, cell.token_type, cell.tier) == (_MODEL, "input", "batch")


def test_a_bill_in_two_currencies_is_added_up_in_that_of_the_books() -> None:
    def cell(currency: str) -> Cell:
        return Cell("2026-10-05", "usage", _MODEL, "input", None, "", currency)

    billed = Billed(Fraction(10), 2 * _USD, None, 1, True)
    for currencies in (("EUR", "USD"), ("USD", "EUR")):
        found = converted(
            {cell(currency): billed for currency in currencies},
            {"USD"},
            lambda atto, base, quote, at_us: atto * 2,
            timezone.utc,
        )
        (both,) = found.cells.items()
        assert both == (cell("USD"), Billed(Fraction(20), 6 * _USD, None, both[1].slack, True))


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2026-10-05", "2026-10-05"),
        ("2026-10-05T00:00Z", "2026-10-05"),
        ("2026-10-05 00:00:00 UTC", "2026-10-05"),
        ("2026-10-05T00:00:00.000Z", "2026-10-05"),
        ("2026-10-05T23:30:00-05:00", "2026-10-06"),
    ],
)
def test_a_day_is_one_of_utc(said: str, day: str) -> None:
    assert day_of(said) == day


@pytest.mark.parametrize("said", ["2026-10-055", "2026-10-05x", "2026-02-30", "5.10.2026"])
def test_what_only_begins_like_a_day_is_none(said: str) -> None:
    with pytest.raises(ValueError, match="day"):
        day_of(said)


@pytest.mark.parametrize(
    ("meter", "ours"),
    [
        ("Gemini 2.5 Flash GA Text Input - Predictions", "gemini-2.5-flash"),
        ("USE1-Claude3.5Sonnetv2-input-tokens", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("USE1-Claude3.5Sonnet-input-tokens", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
    ],
)
def test_a_meter_is_of_the_model_that_its_words_name(meter: str, ours: str) -> None:
    meters = ("USE1-Claude3.5Sonnetv2-input-tokens", "USE1-Claude3.5Sonnet-input-tokens", meter)
    cells = [
        Cell("2026-10-05", "usage", meter_of(one).model, "input", None, "", "USD") for one in meters
    ]
    assert words_of(cells, lambda name: None).model(ours) == meter_of(meter).model
    assert meter_of(meter).leaf == "input"
