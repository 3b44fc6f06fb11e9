"""Fees that are always due, minimums, caps, and prices that are a provider's default: priced, bounded, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import PriceBookError
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost, quality_of
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import Usage, partition
from tests.ledger.build import observe
from tests.pricing.books import AT_US, book_from, book_of, model

Row = Mapping[str, Any]


def ask(rows: list[Row], usage: Usage, **context: Any) -> Cost:
    return price(book_from(rows), "acme", "m", usage, AT_US, context)


def bounds(low: str, high: str) -> tuple[int, int]:
    return parse_money(low), parse_money(high)


SEARCHING: Row = {"rates": {"input": "1", "web_searches": "25"}, "due": {"web_searches": 1}}


@pytest.mark.parametrize(
    ("parts", "total"),
    [({}, "0.025001"), ({"web_searches": 3}, "0.075001"), ({"web_searches": 0}, "0.000001")],
)
def test_a_fee_is_due_on_every_call_unless_its_usage_counts_it(
    parts: Mapping[str, int], total: str
) -> None:
    cost = ask([SEARCHING], partition(1, 0, parts))
    assert (cost.status, cost.total_text, cost.bounds) == ("priced", total, None)
    assert sum(line.amount for line in cost.lines) == cost.total


def test_a_call_without_usage_is_no_fee() -> None:
    assert ask([SEARCHING], Usage()).reason == "missing_usage"


SIZED: list[Row] = [
    {
        "rates": {"input": "1", "requests": "0.005"},
        "due": {"requests": 1},
        "between": {"requests": {"low": "0.005", "high": "0.012"}},
    },
    *(
        {
            "rates": {"input": "1", "requests": fee},
            "due": {"requests": 1},
            "when": {"search_context_size": size},
        }
        for size, fee in (("low", "0.005"), ("high", "0.012"))
    ),
]


def test_a_fee_by_a_size_that_the_call_does_not_name_is_the_defaults_and_bounded() -> None:
    usage = partition(1_000, 0, {})
    cost = ask(SIZED, usage)
    assert (cost.total_text, cost.bounds) == ("0.006", bounds("0.006", "0.013"))
    assert quality_of(usage, cost) == "estimated"
    named = ask(SIZED, usage, search_context_size="HIGH")
    assert (named.total_text, named.bounds) == ("0.013", None)
    assert quality_of(usage, named) == "reported"
    assert ask(SIZED, usage, search_context_size="huge").reason == "unpriced_tier"


def test_a_size_means_nothing_to_a_model_that_has_one_price() -> None:
    cost = ask([SEARCHING], partition(1, 0, {}), search_context_size="high", resolution="4k")
    assert cost.total_text == "0.025001"


RESEARCH: Row = {
    "rates": {"input": "2", "output": "8", "reasoning": "3", "citation": "2", "web_searches": "5"},
    "needs": ["citation", "web_searches"],
}


def test_without_what_only_the_usage_tells_of_a_fee_the_lines_are_a_lower_bound() -> None:
    cost = ask([RESEARCH], partition(100, 10, {"web_searches": 2}))
    assert (cost.status, cost.reason, cost.total) == ("partial", "untold_fee", None)
    assert cost.lines_total == parse_money("0.01028")
    whole = ask([RESEARCH], partition(100, 10, {"web_searches": 2, "citation": 50}))
    assert (whole.status, whole.total_text) == ("priced", "0.01038")
    none = ask([RESEARCH], partition(100, 10, {"web_searches": 0, "citation": 0}))
    assert none.total_text == "0.00028"


@pytest.mark.parametrize(
    ("media_ms", "billed"), [(4_000, 10_000), (10_000, 10_000), (11_000, 11_000)]
)
def test_a_minimum_is_billed_in_any_case(media_ms: int, billed: int) -> None:
    row: Row = {"rates": {"media_ms": "0.36"}, "at_least": {"media_ms": 10_000}}
    cost = ask([row], partition(None, None, {"media_ms": media_ms}))
    assert cost.total == parse_money("0.36") * billed // 3_600_000
    assert [line.quantity for line in cost.lines] == [billed]


def test_a_cap_is_billed_however_often_a_leaf_was_used() -> None:
    row: Row = {"rates": {"input": "1", "web_searches": "35"}, "at_most": {"web_searches": 1}}
    for searches, total in ((0, "0.0001"), (1, "0.0351"), (7, "0.0351")):
        assert ask([row], partition(100, 0, {"web_searches": searches})).total_text == total


WRITES: Row = {"rates": {"input": "1", "cache_write_5m": "4", "cache_write_1h": "8"}}


def test_a_write_of_unknown_lifetime_is_the_defaults_and_bounded_by_both() -> None:
    usage = partition(200, None, {"cache_write": 100})
    cost = ask([WRITES], usage)
    assert (cost.status, cost.total_text) == ("priced", "0.0005")
    assert cost.bounds == bounds("0.0005", "0.0009")
    assert quality_of(usage, cost) == "estimated"


def test_no_write_rests_on_no_default() -> None:
    usage = partition(200, None, {"cache_write": 0})
    cost = ask([WRITES], usage)
    assert (cost.total_text, cost.bounds, quality_of(usage, cost)) == ("0.0002", None, "reported")


def test_bounds_survive_the_journal() -> None:
    cost = ask([WRITES], partition(200, None, {"cache_write": 100}))
    record = to_record(observe(1)._replace(cost=cost))
    assert record["cost"]["bounds"] == {"low": "0.0005", "high": "0.0009"}
    assert from_record(record).cost.bounds == bounds("0.0005", "0.0009")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("due = { web_searches = 1 }",), "due names 'web_searches', which has no rate"),
        (("at_least = { input = 0 }",), "at_least is"),
        (('needs = ["pages"]',), "needs names 'pages', which has no rate"),
        (("between = { input = 2 }",), "between is"),
        (("between = { input = { low = 3, high = 4 } }",), "input is not between 3 and 4"),
        (("between = { input = { low = 1, high = -4 } }",), "between has input"),
        (("undated = true",), "undated, and not refused"),
    ],
)
def test_a_row_that_says_it_wrongly_is_refused_by_name(
    tmp_path: Path, lines: tuple[str, ...], told: str
) -> None:
    with pytest.raises(PriceBookError) as refused:
        book_of(tmp_path, model("m", "input = 2", *lines))
    assert told in str(refused.value)


def test_a_price_file_says_fees_as_the_lock_does(tmp_path: Path) -> None:
    lines = (
        "input = 1",
        "requests = 0.005",
        "due = { requests = 1 }",
        "between = { requests = { low = 0.005, high = 0.012 } }",
        "[[price.variant]]",
        'when = { search_context_size = "high" }',
        "input = 1",
        "requests = 0.012",
    )
    book: Book = book_of(tmp_path, model("m", *lines))
    cost = price(book, "acme", "m", partition(1_000, 0, {}), AT_US, {})
    assert cost.bounds == bounds("0.006", "0.013")
    variant = price(
        book, "acme", "m", partition(1_000, 0, {}), AT_US, {"search_context_size": "high"}
    )
    assert variant.total_text == "0.001"  # a variant says for itself whether a fee is due


def test_an_undated_change_has_a_reason_of_its_own() -> None:
    rows: list[Row] = [
        {"to": "2026-05-01T00:00:00Z", "rates": {"input": "1"}},
        {
            "from": "2026-05-01T00:00:00Z",
            "to": "2026-07-01T00:00:00Z",
            "rates": {},
            "refuse": True,
            "undated": True,
        },
        {"from": "2026-07-01T00:00:00Z", "rates": {"input": "2"}},
    ]
    assert ask(rows, partition(1, 0, {})).reason == "undated_change"
    assert ask(rows, partition(1, 0, {}), service_tier="scale").reason == "unpriced_tier"


def test_batch_may_be_said_as_a_tier() -> None:
    rows: list[Row] = [
        {"rates": {"input": "2"}},
        {"rates": {"input": "1"}, "when": {"batch": True}},
    ]
    for context in (
        {"batch": True},
        {"service_tier": "batch"},
        {"service_tier": "Batch", "batch": True},
    ):
        assert ask(rows, partition(10**6, 0, {}), **context).total_text == "1"
