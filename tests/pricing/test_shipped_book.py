"""The book in the wheel: its worked examples, its verdicts, and that every row and name can be used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.load import canonical, load_book, parse_lock, read_lock
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.pricing.resolve import Refusal
from otel_genai_cost.usage.leaves import Usage, partition

_EXAMPLES: Final = [
    json.loads(line)
    for line in (Path(__file__).parent / "examples.jsonl").read_text("utf-8").splitlines()
]
"""Calls with their answers, each worked out by hand from the price lists named in `source`."""

_AT: Final = "2026-11-20T12:00:00Z"


@pytest.fixture(scope="module")
def book() -> Book:
    return load_book()


def _usage(told: Mapping[str, int]) -> Usage:
    parts = {key.removesuffix("_tokens"): n for key, n in told.items()}
    return partition(parts.pop("input", None), parts.pop("output", None), parts)


@pytest.mark.parametrize("example", _EXAMPLES, ids=[example["id"] for example in _EXAMPLES])
def test_a_worked_example_is_exact_to_the_last_digit(book: Book, example: dict[str, Any]) -> None:
    cost = price(
        book,
        example["provider"],
        example["model"],
        _usage(example["usage"]),
        microseconds(example["at"]),
        example.get("context", {}),
    )
    assert cost.total_text == example["expected_usd"]
    assert cost.reason == example.get("reason")
    assert (cost.status == "priced") == (example["expect"] == "price")


def test_the_lock_passes_every_check(book: Book) -> None:
    assert read_lock(book.lock).digest == book.digest
    assert canonical(parse_lock(book.lock)) == book.lock


def test_a_lock_read_provider_by_provider_says_what_the_whole_says(book: Book) -> None:
    whole = read_lock(book.lock)
    assert book.names == whole.names
    assert {price.id: price for price in book.prices()} == {p.id: p for p in whole.prices()}
    assert (book.rows, book.newest_recorded_at_us) == (whole.rows, whole.newest_recorded_at_us)


def _per_million(book: Book, model: str, leaf: str, at: str = _AT, **context: Any) -> str | None:
    usage = Usage({leaf: 1_000_000}, 0, 0, "reported")
    return price(book, "openai", model, usage, microseconds(at), context).total_text


@pytest.mark.parametrize(
    ("model", "leaf", "at", "context", "rate"),
    [
        ("o3", "cache_read", "2025-06-09T23:59:59Z", {}, "2.5"),
        ("o3", "cache_read", "2025-06-10T00:00:00Z", {}, "0.5"),
        ("gpt-5.4", "cache_read", _AT, {"batch": True}, "0.13"),
        ("gpt-5.5", "input", _AT, {"service_tier": "priority"}, "12.5"),
        ("gpt-5.5", "output", _AT, {"service_tier": "fast"}, "75"),
        ("gpt-5.6-sol", "output", "2026-08-20T23:59:59Z", {}, "30"),
        ("gpt-5.6-sol", "output", "2026-08-21T00:00:00Z", {}, "20"),
        ("gpt-4o", "input", "2024-10-01T23:59:59Z", {}, "5"),
        ("gpt-4o", "input", "2024-10-02T00:00:00Z", {}, "2.5"),
        ("gpt-4o-2024-05-13", "input", _AT, {}, "5"),
        ("gpt-5-2025-08-07", "output", _AT, {"service_tier": "default"}, "10"),
        ("gpt-4-0613", "output", _AT, {}, "60"),
        ("gpt-4.5-preview-2025-02-27", "cache_read", "2025-04-01T00:00:00Z", {}, "37.5"),
        ("gpt-4.5-preview", "input", "2025-02-26T23:59:59Z", {}, None),
        ("gpt-4o-realtime-preview-2025-06-03", "output_audio", "2025-08-20T00:00:00Z", {}, "80"),
        ("gpt-4o-realtime-preview-2024-10-01", "output_audio", "2025-08-20T00:00:00Z", {}, "200"),
        ("gpt-4o-audio-preview-2024-10-01", "input_audio", "2025-08-20T00:00:00Z", {}, "100"),
        ("gpt-4o-audio-preview-2024-12-17", "input_audio", "2025-08-20T00:00:00Z", {}, "40"),
        ("gpt-4o-audio-preview", "input_audio", "2025-08-20T00:00:00Z", {}, None),
        ("gpt-4o-audio-preview", "input", "2025-08-20T00:00:00Z", {}, "2.5"),
        ("gpt-4-1106-preview", "input", "2023-12-24T00:00:00Z", {}, "10"),
        ("o1-mini", "input", "2025-01-30T00:00:00Z", {}, "3"),
        ("text-embedding-3-small", "input", _AT, {}, "0.02"),
        ("gpt-realtime", "output_audio", _AT, {}, "64"),
        ("omni-moderation-latest", "input", _AT, {}, "0"),
        ("gpt-4o-mini", "web_searches", _AT, {}, "10000"),
        ("gpt-4.1", "web_searches", _AT, {}, "10000"),
        ("gpt-5", "input", _AT, {"service_tier": "scale"}, None),
    ],
)
def test_verdicts_between_sources_hold(
    book: Book, model: str, leaf: str, at: str, context: Mapping[str, Any], rate: str | None
) -> None:
    assert _per_million(book, model, leaf, at, **context) == rate


@pytest.mark.parametrize(
    ("model", "at", "cached"),
    [
        ("gemini-2.5-pro", "2025-08-20T00:00:00Z", "0.3125"),
        ("gemini-2.5-pro-preview-06-05", "2025-08-20T00:00:00Z", "0.3125"),
        ("gemini-2.5-pro-preview-05-06", "2025-10-25T00:00:00Z", None),
        ("gemini-2.5-flash-preview-09-2025", "2025-10-25T00:00:00Z", None),
        ("gemini-2.5-flash-preview-09-2025", "2025-11-07T00:00:00Z", "0.03"),
        ("gemini-2.5-flash-lite-preview-06-17", "2025-08-20T00:00:00Z", "0.025"),
        ("gemini-2.0-flash-001", "2025-08-20T00:00:00Z", "0.025"),
    ],
)
def test_geminis_cached_input_has_the_price_of_its_time(
    book: Book, model: str, at: str, cached: str | None
) -> None:
    usage = Usage({"cache_read": 1_000_000}, 0, 0, "reported")
    assert price(book, "google", model, usage, microseconds(at), {}).total_text == cached


def test_a_bare_id_of_a_newer_claude_on_bedrock_needs_its_region(book: Book) -> None:
    bare = re.compile(r"anthropic\.claude-(haiku|sonnet|opus)-(4-[5-9]|5)")
    names = [n for p, n in book.names.models if p == "aws.bedrock" and bare.match(n)]
    assert len(names) > 10
    for name in names:
        usage, at_us = partition(1_000, 10, {}), microseconds(_AT)
        unplaced = price(book, "aws.bedrock", name, usage, at_us, {})
        assert unplaced.reason == "ambiguous_scope", name
        for prefix, region in (("us.", "us-east-1"), ("global.", "global")):
            placed = price(book, "aws.bedrock", name, usage, at_us, {"region": region})
            profile = price(book, "aws.bedrock", prefix + name, usage, at_us, {})
            if profile.total is not None:
                assert placed.total in (profile.total, None), name


@pytest.mark.parametrize(("input_tokens", "output_rate"), [(272_000, "20"), (272_001, "30")])
def test_long_context_reprices_the_output_too(
    book: Book, input_tokens: int, output_rate: str
) -> None:
    usage = Usage({"output": 1_000_000}, input_tokens, 1_000_000, "reported")
    cost = price(book, "openai", "gpt-5.6-sol", usage, microseconds(_AT), {})
    assert cost.total_text == output_rate


def test_long_context_that_a_tier_does_not_offer_is_refused(book: Book) -> None:
    usage = partition(272_001, 10, {})
    cost = price(book, "openai", "gpt-5.5", usage, microseconds(_AT), {"service_tier": "priority"})
    assert cost.reason == "unpriced_tier"


def test_every_row_can_be_found_and_says_where_it_is_from(book: Book) -> None:
    assert book.rows == len(list(book.prices())) > 5_000
    for row in book.prices():
        assert book.price(row.id) == row
        assert row.source.url.startswith("https://")
        assert row.recorded_at_us <= book.newest_recorded_at_us
        assert rfc3339(row.valid_from_us) in row.id
        for rate in row.rates.values():
            assert Decimal(rate.unit_price) * 10**18 == rate.numerator * (
                rate.per // rate.denominator
            )


def test_every_listed_name_has_rows(book: Book) -> None:
    for provider, name in book.names.models:
        tariff = book.tariff(provider, name)
        assert not isinstance(tariff, Refusal), name
        assert tariff.schedules, name


def test_cached_input_is_never_dearer_than_fresh(book: Book) -> None:
    for row in book.prices():
        fresh, cached = row.rates.get("input"), row.rates.get("cache_read")
        if fresh and cached:
            assert cached.numerator <= fresh.numerator, row.id
