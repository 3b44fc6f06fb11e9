"""What must hold for every book and every call."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from decimal import Context, localcontext
from pathlib import Path
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.pricing import book as book_module
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.load import canonical, read_lock
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES, Usage
from tests.pricing.books import book_from, document

_LEAVES: Final = (*INPUT_LEAVES, *OUTPUT_LEAVES, "web_searches", "media_ms", "characters")
_DAYS: Final = ("2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01")
_CONDITIONS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"batch": True},
    {"service_tier": "flex"},
    {"service_tier": ["fast", "priority"]},
    {"input_tokens_gt": 1_000},
    {"batch": True, "input_tokens_gte": 1_000},
    {"region": "eu"},
)
_CONTEXTS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"batch": True},
    {"service_tier": "flex"},
    {"service_tier": "priority"},
    {"service_tier": "default", "region": "eu"},
    {"region": "us"},
)


def _published(thousandths: Mapping[str, int]) -> dict[str, str]:
    """Rates as decimal strings; cached input is never dearer than fresh, which the checks refuse."""
    if "cache_read" in thousandths:
        fresh = thousandths.get("input", thousandths["cache_read"])
        thousandths = {**thousandths, "cache_read": min(thousandths["cache_read"], fresh)}
    return {leaf: f"{n // 1000}.{n % 1000:03}" for leaf, n in thousandths.items()}


_names: st.SearchStrategy[str] = st.sampled_from(list[str](_LEAVES))
_rates = st.dictionaries(_names, st.integers(1, 99_999), min_size=1).map(_published)


def _row(
    when: Mapping[str, Any], days: tuple[int, int], rates: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "when": dict(when),
        "from": f"{_DAYS[days[0]]}T00:00:00Z",
        "to": f"{_DAYS[days[1]]}T00:00:00Z",
        "rates": rates,
    }


_spans = st.sampled_from([(0, 1), (1, 2), (2, 3)])
rows = st.lists(
    st.builds(_row, st.sampled_from(_CONDITIONS), _spans, _rates),
    min_size=1,
    max_size=12,
    unique_by=lambda row: (str(row["when"]), row["from"]),
)


def _usage(leaves: dict[str, int]) -> Usage:
    input_total = sum(leaves.get(leaf, 0) for leaf in INPUT_LEAVES)
    output_total = sum(leaves.get(leaf, 0) for leaf in OUTPUT_LEAVES)
    return Usage(leaves, input_total, output_total, "reported")


usages = st.dictionaries(_names, st.integers(0, 10**9), min_size=1).map(_usage)
instants = st.integers(microseconds("2025-12-31T00:00:00Z"), microseconds("2026-04-02T00:00:00Z"))
contexts = st.sampled_from(_CONTEXTS)


def _ask(book: Book, usage: Usage, at_us: int, context: Mapping[str, Any]) -> Cost:
    return price(book, "acme", "m", usage, at_us, context)


@given(rows, usages, instants, contexts)
def test_the_lines_re_add_to_the_total(
    prices: list[dict[str, Any]], usage: Usage, at_us: int, context: Mapping[str, Any]
) -> None:
    cost = _ask(book_from(prices), usage, at_us, context)
    assert (cost.total is None) == (cost.status != "priced")
    assert (cost.reason is None) == (cost.status == "priced")
    if cost.total is not None:
        assert sum(line.amount for line in cost.lines) == cost.total == cost.lines_total
        assert {line.leaf: line.quantity for line in cost.lines} == {
            leaf: n for leaf, n in usage.leaves.items() if n
        }
    for line in cost.lines:
        exact = line.quantity * line.rate.numerator
        assert 2 * abs(line.amount * line.rate.denominator - exact) <= line.rate.denominator


@given(_rates, usages, st.data())
def test_splitting_the_usage_of_divisible_rates_never_changes_the_total(
    rates: Mapping[str, str], usage: Usage, data: st.DataObject
) -> None:
    others = {leaf: text for leaf, text in rates.items() if leaf not in ("input", "cache_read")}
    book = book_from([_row({}, (0, 3), {**others, **dict.fromkeys(usage.leaves, "1.25")})])
    first = {leaf: data.draw(st.integers(0, n)) for leaf, n in usage.leaves.items()}
    second = {leaf: n - first[leaf] for leaf, n in usage.leaves.items()}
    at_us = microseconds(f"{_DAYS[1]}T00:00:00Z")
    whole, *parts = (
        _ask(book, Usage(leaves, 0, 0, "reported"), at_us, {})
        for leaves in (usage.leaves, first, second)
    )
    halves = [part.total or 0 for part in parts]
    # an hour's rate does not divide: each of its lines rounds once, by at most half an atto
    assert abs((whole.total or 0) - sum(halves)) <= (2 if usage.leaves.get("media_ms") else 0)


@given(rows, rows, usages, instants, contexts)
def test_rows_of_another_model_change_nothing(
    prices: list[dict[str, Any]],
    others: list[dict[str, Any]],
    usage: Usage,
    at_us: int,
    context: Mapping[str, Any],
) -> None:
    alone = book_from(prices)
    both = book_from([*prices, *({**row, "model": "other"} for row in others)], ("m", "other"))
    cost, again = (_ask(book, usage, at_us, context) for book in (alone, both))
    assert (cost.status, cost.reason, cost.total, cost.price_id) == (
        again.status,
        again.reason,
        again.total,
        again.price_id,
    )


@given(rows, st.randoms(use_true_random=False))
def test_any_order_of_rows_gives_the_same_lock(prices: list[dict[str, Any]], random: Any) -> None:
    made = document(prices, ("m", "n"))
    lock = canonical(made)
    for entries in made.values():
        random.shuffle(entries)
    for row in made["prices"]:
        if isinstance(tiers := row["when"].get("service_tier"), list):
            random.shuffle(cast("list[str]", tiers))
    assert canonical(made) == lock
    assert canonical({kind: list(entries) for kind, entries in made.items()}) == lock
    assert read_lock(lock).lock == lock


def _parts(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, Mapping):
        for key, part in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _parts(key)  # pyright: ignore[reportUnknownArgumentType]
            yield from _parts(part)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, (tuple, list)):
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _parts(part)  # pyright: ignore[reportUnknownArgumentType]


@given(rows, usages, instants, contexts)
def test_no_float_and_no_ambient_context_comes_near_money(
    prices: list[dict[str, Any]], usage: Usage, at_us: int, context: Mapping[str, Any]
) -> None:
    cost = _ask(book_from(prices), usage, at_us, context)
    with localcontext(Context(prec=3)):
        assert _ask(book_from(prices), usage, at_us, context) == cost
    assert not any(isinstance(part, float) for part in _parts((cost, cost.lines)))


@pytest.mark.parametrize(
    "name", ["money", "cost", "rate", "compile", "resolve", "book", "instants"]
)
def test_the_arithmetic_contains_no_float_at_all(name: str) -> None:
    source = Path(book_module.__file__).with_name(f"{name}.py").read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
        assert not (isinstance(node, ast.Name) and node.id == "float")
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_instants_survive_their_text(us: int) -> None:
    assert microseconds(rfc3339(us)) == us


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t01:00:00.5+01:00", 500_000),
        ("1970-01-01 00:00:00.123456789-00:00", 123_456),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_instants_are_rfc_3339(text: str, us: int) -> None:
    assert microseconds(text) == us


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "20260101T000000Z"),
        *("2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-W01-1"),
        *(
            "2026-01-01T00:00:00+25:00",
            " 2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "٢٠٢٦-01-01T00:00:00Z",
        ),
    ],
)
def test_what_is_no_instant_with_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        microseconds(text)
