"""From usage to cost: tiers, conditions, fall-backs, and every reason for a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, localcontext
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.pricing.book import NO_BOOK, Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import NO_USAGE, Usage, partition
from tests.pricing.books import AT_US, book_from, book_of, model

TIERED = model(
    "tiered",
    *("input = 2", "cache_read = 0.2", "output = 10"),
    *("[[price.tier]]", "when = { input_tokens_gt = 1000 }", "input = 4", "output = 15"),
    *("[[price.tier]]", "when = { input_tokens_gte = 5000 }", "input = 8", "output = 20"),
)
CONDITIONAL = model(
    "conditional",
    *("input = 2", "output = 10"),
    *("[[price.variant]]", 'when = { service_tier = ["priority", "fast"] }', "input = 5"),
    *("[[price.variant]]", "when = { batch = true }", "input = 1", "output = 5"),
    *("[[price.variant]]", 'when = { batch = true, region = "eu" }', "input = 1.1"),
    *("[[price.variant]]", 'when = { service_tier = "scale" }', "refuse = true"),
)
SCOPED = model(
    "scoped",
    "input = 3",
    'when = { region = "us" }',
    *("[[price.variant]]", 'when = { deployment_type = "data_zone" }', "input = 4"),
)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return book_of(tmp_path, TIERED + CONDITIONAL + SCOPED)


def ask(book: Book, name: str, usage: Usage, **context: Any) -> Cost:
    return price(book, "acme", name, usage, AT_US, context)


def tokens(n: int) -> Usage:
    return partition(n, 0, {})


@pytest.mark.parametrize(
    ("input_tokens", "per_million"), [(1000, 2), (1001, 4), (4999, 4), (5000, 8), (10**9, 8)]
)
def test_a_tier_reprices_the_whole_request(book: Book, input_tokens: int, per_million: int) -> None:
    cost = ask(book, "tiered", tokens(input_tokens))
    assert cost.total == input_tokens * per_million * 10**12


def test_a_tier_is_chosen_by_all_input_cached_included_and_states_all_its_rates(book: Book) -> None:
    cost = ask(book, "tiered", partition(1001, 10, {"cache_read": 900}))
    assert (cost.status, cost.reason) == ("partial", "unpriced_component")
    assert {line.leaf: line.amount for line in cost.lines} == {
        "input": 101 * 4 * 10**12,
        "output": 10 * 15 * 10**12,
    }


@pytest.mark.parametrize(
    ("context", "per_million"),
    [
        ({}, "2"),
        ({"service_tier": None, "batch": False, "speed": ""}, "2"),
        ({"service_tier": "default"}, "2"),
        ({"service_tier": "DEFAULT"}, "2"),
        ({"service_tier": "priority"}, "5"),
        ({"service_tier": "Fast"}, "5"),
        ({"batch": True}, "1"),
        ({"batch": 1}, "1"),
        ({"batch": True, "service_tier": "default"}, "1"),
        ({"service_tier": "default", "batch": True}, "1"),
        ({"batch": True, "region": "eu"}, "1.1"),
        ({"batch": True, "region": "mars"}, "1"),
        ({"region": "mars", "deployment_type": "global"}, "2"),
        ({"deployment_model": "conditional", "unheard_of": "x"}, "2"),
    ],
)
def test_conditions_choose_the_row(
    book: Book, context: Mapping[str, Any], per_million: str
) -> None:
    for _ in range(2):  # the second answer comes from the tariff's memory
        cost = ask(book, "conditional", tokens(1_000_000), **context)
        assert cost.total_text == per_million


@pytest.mark.parametrize(
    "context",
    [
        {"service_tier": "flex"},
        {"service_tier": "scale"},
        {"service_tier": "priority", "batch": True},
        {"speed": "fast"},
        {"batch": "true"},
        {"service_tier": ["priority"]},
        {"service_tier": {"a": 1}},
        {"service_tier": 7},
        {"service_tier": "p" * 10_000},
    ],
)
def test_conditions_without_a_published_rate_are_refused_not_standard(
    book: Book, context: Mapping[str, Any]
) -> None:
    for _ in range(2):
        cost = ask(book, "conditional", tokens(10), **context)
        assert (cost.status, cost.reason, cost.total) == ("unpriced", "unpriced_tier", None)


def test_a_flood_of_contexts_neither_grows_the_tariff_nor_changes_an_answer(book: Book) -> None:
    for n in range(1_000):
        ask(book, "conditional", tokens(10), region=f"r{n}")
    assert ask(book, "conditional", tokens(1_000_000), region="eu", batch=True).total_text == "1.1"


def test_rows_that_all_name_a_scope_do_not_price_a_call_that_names_none(book: Book) -> None:
    assert ask(book, "scoped", tokens(10)).reason == "ambiguous_scope"
    assert ask(book, "scoped", tokens(1_000_000), region="us").total_text == "3"
    assert ask(book, "scoped", tokens(10), region="eu").reason == "unpriced_tier"


def test_of_two_scopes_a_row_that_names_one_holds_for_calls_that_name_both(book: Book) -> None:
    cost = ask(book, "scoped", tokens(1_000_000), deployment_type="data_zone", region="sweden")
    assert cost.total_text == "4"


@pytest.mark.parametrize(
    ("at", "reason", "total"),
    [
        ("2025-12-31T23:59:59.999999Z", "out_of_effective_range", None),
        ("2026-01-01T00:00:00Z", None, "1"),
        ("2026-01-31T23:59:59.999999Z", None, "1"),
        ("2026-02-01T00:00:00Z", "undated_change", None),
        ("2026-02-28T23:59:59Z", "undated_change", None),
        ("2026-03-01T01:00:00+01:00", None, "2"),
        ("9999-12-31T23:59:59Z", None, "2"),
    ],
)
def test_a_row_holds_from_its_first_instant_to_before_its_last(
    at: str, reason: str | None, total: str | None
) -> None:
    book = book_from(
        [
            {"to": "2026-02-01T00:00:00Z", "rates": {"input": "1"}},
            {"from": "2026-03-01T00:00:00Z", "rates": {"input": "2"}},
        ]
    )
    cost = price(book, "acme", "m", tokens(1_000_000), microseconds(at), {})
    assert (cost.reason, cost.total_text) == (reason, total)


def test_before_a_tier_was_offered_it_is_unpriced_and_the_model_is_not() -> None:
    book = book_from(
        [
            {"rates": {"input": "1"}},
            {"from": "2026-03-01T00:00:00Z", "when": {"batch": True}, "rates": {"input": "2"}},
        ]
    )
    early = microseconds("2026-02-01T00:00:00Z")
    assert price(book, "acme", "m", tokens(10), early, {"batch": True}).reason == "unpriced_tier"
    before = microseconds("2025-02-01T00:00:00Z")
    cost = price(book, "acme", "m", tokens(10), before, {"batch": True})
    assert cost.reason == "out_of_effective_range"


def test_a_tier_that_holds_for_another_time_than_its_base_is_cut_at_the_instants() -> None:
    above = {"input_tokens_gt": 100}
    book = book_from(
        [
            {"rates": {"input": "1"}},
            {"from": "2026-03-01T00:00:00Z", "when": above, "rates": {"input": "2"}},
        ]
    )
    for at, n, total in (
        ("2026-02-01T00:00:00Z", 200, "0.0002"),
        ("2026-04-01T00:00:00Z", 200, "0.0004"),
        ("2026-04-01T00:00:00Z", 100, "0.0001"),
    ):
        assert price(book, "acme", "m", tokens(n), microseconds(at), {}).total_text == total


def test_below_a_tier_without_a_base_nothing_is_priced() -> None:
    book = book_from([{"when": {"input_tokens_gte": 100}, "rates": {"input": "2"}}])
    assert ask(book, "m", tokens(99)).reason == "unpriced_tier"
    assert ask(book, "m", tokens(100)).total_text == "0.0002"


def test_reasoning_falls_to_outputs_rate_and_nothing_else_falls_back(book: Book) -> None:
    cost = ask(book, "conditional", partition(0, 100, {"reasoning": 60}))
    assert cost.total == 100 * 10 * 10**12
    assert [line.leaf for line in cost.lines] == ["reasoning", "output"]
    own = book_from([{"rates": {"output": "10", "reasoning": "3"}}])
    assert ask(own, "m", partition(None, 100, {"reasoning": 60})).total == 580 * 10**12
    cached = ask(book, "conditional", partition(100, 0, {"cache_read": 60}))
    assert (cached.status, cached.reason) == ("partial", "unpriced_component")


@pytest.mark.parametrize(
    ("rates", "total"),
    [
        ({"cache_write_5m": "4"}, "0.0004"),
        ({"cache_write_1h": "8"}, "0.0008"),
        ({"cache_write_5m": "4", "cache_write_1h": "4"}, "0.0004"),
        ({"cache_write": "5", "cache_write_5m": "4"}, "0.0005"),
        ({}, None),
    ],
)
def test_a_write_of_unknown_lifetime_takes_the_rate_of_a_rows_only_lifetime(
    rates: Mapping[str, str], total: str | None
) -> None:
    book = book_from([{"rates": {"input": "1", **rates}}])
    cost = ask(book, "m", partition(100, 0, {"cache_write": 100}))
    assert cost.total_text == total
    if total is None:
        assert (cost.status, cost.reason) == ("unpriced", "unpriced_component")


def test_a_partial_cost_has_a_lower_bound_and_no_total() -> None:
    cost = ask(book_from([{"rates": {"input": "1"}}]), "m", partition(10, 0, {"web_searches": 2}))
    assert (cost.status, cost.reason, cost.total) == ("partial", "unpriced_component", None)
    assert cost.lines_total == 10 * 10**12


def test_an_unused_leaf_needs_no_rate() -> None:
    book = book_from([{"rates": {"input": "1"}}])
    cost = ask(book, "m", partition(10, 0, {"cache_read": 0, "web_searches": 0}))
    assert (cost.status, cost.total) == ("priced", 10 * 10**12)
    assert [line.leaf for line in cost.lines] == ["input"]


def test_a_reported_zero_costs_nothing_and_unknown_usage_is_not_zero(book: Book) -> None:
    assert ask(book, "conditional", partition(0, 0, {})).total == 0
    assert ask(book, "conditional", NO_USAGE).reason == "missing_usage"
    assert ask(book, "conditional", partition(-5, 10, {})).reason == "invalid_usage"
    invalid = ask(book, "conditional", partition(-5, 10, {}), service_tier="flex")
    assert invalid.reason == "invalid_usage"
    forged = Usage({"input": 5}, 5, None, "inconsistent")
    assert ask(book, "conditional", forged).reason == "invalid_usage"


def test_estimated_usage_is_priced(book: Book) -> None:
    usage = tokens(1_000_000)._replace(quality="estimated")
    assert ask(book, "conditional", usage).total_text == "2"


def test_audio_by_the_hour_rounds_half_even_once() -> None:
    book = book_from([{"rates": {"media_ms": "0.01", "output": "1"}}])
    cost = ask(book, "m", partition(None, 5, {"media_ms": 1}))
    assert [line.amount for line in cost.lines] == [2_777_777_778, 5 * 10**12]
    assert cost.total == cost.lines_total


def test_a_row_may_be_free_but_never_by_silence(tmp_path: Path) -> None:
    book = book_of(tmp_path, model("gift", "free = true", "input = 0"))
    assert ask(book, "gift", tokens(10)).total == 0
    assert ask(book, "gift", partition(10, 10, {})).status == "partial"


def _scoped(when: Mapping[str, Any], rate: str) -> dict[str, Any]:
    return {"when": when, "rates": {"input": rate}}


def _refused(when: Mapping[str, Any]) -> dict[str, Any]:
    return {"when": when, "rates": {}, "refuse": True}


@pytest.mark.parametrize(
    ("context", "total"),
    [
        ({}, "1"),
        ({"region": "eu"}, "2"),
        ({"region": "us"}, "3"),
        ({"region": "us", "deployment_type": "data_zone"}, "4"),
        ({"region": "jp", "deployment_type": "data_zone"}, "5"),
        ({"deployment_type": "data_zone"}, "4"),
        ({"deployment_type": "regional"}, None),
        ({"deployment_type": "regional", "region": "us"}, None),
        ({"batch": True, "deployment_type": "data_zone"}, "6"),
        ({"batch": True, "region": "us"}, "6"),
    ],
)
def test_a_scope_has_its_own_row_else_that_of_any_other_else_that_of_none(
    context: Mapping[str, Any], total: str | None
) -> None:
    book = book_from(
        [
            _scoped({}, "1"),
            _scoped({"region": "eu"}, "2"),
            _scoped({"region": "*"}, "3"),
            _scoped({"deployment_type": "data_zone"}, "4"),
            _scoped({"deployment_type": "data_zone", "region": ["jp", "kr"]}, "5"),
            _scoped({"batch": True}, "6"),
            _refused({"deployment_type": "*"}),
        ]
    )
    cost = ask(book, "m", tokens(1_000_000), **context)
    assert cost.total_text == total
    assert cost.reason == (None if total else "unpriced_tier")


def test_a_scope_that_is_missing_is_told_from_a_tier_that_is_not_offered() -> None:
    book = book_from(
        [
            _scoped({"region": "*"}, "2"),
            _scoped({"region": "global"}, "1"),
            _scoped({"region": "global", "batch": True}, "1"),
        ]
    )
    assert ask(book, "m", tokens(1)).reason == "ambiguous_scope"
    assert ask(book, "m", tokens(1), batch=True).reason == "ambiguous_scope"
    assert ask(book, "m", tokens(1), service_tier="flex").reason == "unpriced_tier"
    assert ask(book, "m", tokens(1), batch=True, region="eu").reason == "unpriced_tier"


def test_a_deployment_type_with_prices_by_region_needs_one() -> None:
    book = book_from(
        [
            _scoped({}, "1"),
            _scoped({"deployment_type": "regional", "region": ["eu", "us"]}, "2"),
            _refused({"deployment_type": "*"}),
        ]
    )
    assert (
        ask(book, "m", tokens(1_000_000), deployment_type="regional", region="us").total_text == "2"
    )
    assert ask(book, "m", tokens(1), deployment_type="regional").reason == "ambiguous_scope"
    elsewhere = ask(book, "m", tokens(1), deployment_type="regional", region="jp")
    assert elsewhere.reason == "unpriced_tier"
    assert ask(book, "m", tokens(1), deployment_type="data_zone").reason == "unpriced_tier"


@pytest.mark.parametrize(
    ("provider", "name", "reason"),
    [
        ("acme", "nope", "unknown_model"),
        ("acme", None, "missing_model"),
        ("acme", "", "missing_model"),
        ("nobody", "tiered", "unknown_provider"),
        (None, "tiered", "unknown_provider"),
        ("acme", "t" * 10_000_000, "unknown_model"),
        ("a" * 10_000_000, "tiered", "unknown_provider"),
    ],
)
def test_unknown_names_are_refused_and_remembered(
    book: Book, provider: str | None, name: str | None, reason: str
) -> None:
    first, second = (price(book, provider, name, tokens(1), AT_US, {}) for _ in range(2))
    assert first == second
    assert (first.status, first.reason, first.total) == ("unpriced", reason, None)
    assert first.book == book.digest


def test_without_a_book_everything_waits_for_one() -> None:
    cost = price(NO_BOOK, "acme", "tiered", tokens(10), AT_US, {})
    assert (cost.status, cost.reason, cost.book) == ("unpriced", "no_price_book", None)


def test_an_applications_decimal_context_changes_nothing(tmp_path: Path) -> None:
    with localcontext(Context(prec=3)):
        book = book_of(tmp_path, model("fine", "input = 0.123456789", "media_ms = 0.37"))
        cost = ask(book, "fine", partition(987_654_321, None, {"media_ms": 123_457}))
        # 987,654,321 tokens at 0.123456789 a million and 123.457 s at 0.37 an hour, each rounded once
        assert cost.total_text == "121.945319748746380111"
