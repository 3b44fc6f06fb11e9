"""Making the default book: the same inputs give the same bytes, and where the lists agree the book does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.importers.build import Built, build, read_lists
from otel_genai_cost.pricing.importers.history import agree
from otel_genai_cost.pricing.importers.inputs import read_inputs, read_rules
from otel_genai_cost.pricing.importers.merge import Lists
from otel_genai_cost.pricing.importers.offer import Offer, is_junk, launch_of
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.load import WHEEL_LOCK, load_book
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.pricing.resolve import Refusal
from otel_genai_cost.usage.leaves import Usage, partition

_HERE: Final = Path(__file__).parent
_RULES: Final = read_rules()
LEFT_OUT: Final = _HERE / "left_out.json"
_SCALE: Final = Decimal(1_000_000)


@pytest.fixture(scope="module")
def inputs() -> Mapping[str, bytes]:
    return read_inputs(_HERE, _RULES)


@pytest.fixture(scope="module")
def built(inputs: Mapping[str, bytes]) -> Built:
    return build(inputs, _RULES)


@pytest.fixture(scope="module")
def lists(inputs: Mapping[str, bytes]) -> Lists:
    return read_lists(inputs, _RULES)


@pytest.fixture(scope="module")
def book() -> Book:
    return load_book()


def test_the_shipped_book_is_what_its_inputs_say(built: Built, inputs: Mapping[str, bytes]) -> None:
    assert built.lock == WHEEL_LOCK.read_bytes(), "run: make lock"
    assert build(inputs, _RULES).lock == built.lock
    assert json.loads(LEFT_OUT.read_text("utf-8")) == built.left_out, "run: make lock"


def _rate(book: Book, provider: str, name: str, leaf: str, day: str) -> str | None:
    """The book's price of a million of a leaf; the rates are per million, per 1,000, per hour or per one."""
    usage = Usage({leaf: 1}, 0, 0, "reported")
    cost = price(book, provider, name, usage, microseconds(f"{day}T12:00:00Z"), {})
    found = cost.rates.get(leaf)
    return None if found is None else found.unit_price


def _agreed(lists: Lists) -> Iterator[tuple[str, str, str, str]]:
    """Every name and leaf for which both lists, by their own exact names, have the same price today."""
    for models in lists.genai_prices.values():
        for offer in (listed.offer for listed in models):
            for name in offer.names:
                yield from _same(offer, name, lists)


def _same(offer: Offer, name: str, lists: Lists) -> Iterator[tuple[str, str, str, str]]:
    ours = offer.rates_on(lists.day, {})
    for other in lists.litellm.get((offer.provider, name.lower()), ()):
        theirs = {} if other.scoped else other.rates_on(lists.day, {})
        if agree(ours, theirs):
            for leaf in ours.keys() & theirs.keys():
                if ours[leaf] == theirs[leaf]:
                    yield offer.provider, name, leaf, format(ours[leaf].normalize(), "f")


def test_the_book_agrees_with_both_lists_wherever_they_agree(book: Book, lists: Lists) -> None:
    agreed = list(_agreed(lists))
    wrong = [
        (*one, found)
        for one in agreed
        if (found := _rate(book, *one[:3], lists.day)) != one[3] and not _is_known(*one[:3])
    ]
    assert len(agreed) > 1_500
    assert wrong == []


def _is_known(provider: str, name: str, leaf: str) -> bool:
    """Left out on purpose: verdicts of docs/decisions/0006, and junk, which agrees with itself."""
    return provider == "openai" or (provider, name.lower()) in _RULES.verdicts


@pytest.mark.parametrize(
    ("provider", "name", "context", "leaf", "unit_price"),
    [
        # Vertex AI and the Gemini API ask different prices, and a call does not tell which it was
        ("google", "gemini-embedding-001", {"batch": True}, "input", None),
        ("google", "gemini-3.5-flash-lite", {"service_tier": "flex"}, "cache_read", None),
        ("google", "gemini-3.5-flash-lite", {"service_tier": "priority"}, "cache_read", None),
        ("google", "gemini-3.5-flash", {"service_tier": "flex"}, "cache_read", None),
        ("azure.ai.openai", "gpt-5.5-2026-04-23", {"service_tier": "priority"}, "input", None),
        ("azure.ai.openai", "gpt-6-sol", {}, "web_searches", None),
        # one of the two says it, the other nothing
        ("google", "gemini-2.5-flash", {"service_tier": "flex"}, "input_audio", "0.5"),
        ("google", "gemini-3.1-pro-preview", {"service_tier": "flex"}, "cache_read", "0.2"),
        # two that differ, of which the other list confirms one
        ("google", "gemini-2.5-flash-lite", {"batch": True}, "input_audio", "0.15"),
    ],
)
def test_endpoints_under_one_name_are_believed_where_they_do_not_differ(
    book: Book,
    provider: str,
    name: str,
    context: Mapping[str, object],
    leaf: str,
    unit_price: str | None,
) -> None:
    usage = Usage({leaf: 1}, 0, 0, "reported")
    cost = price(book, provider, name, usage, microseconds("2026-11-20T12:00:00Z"), context)
    found = cost.rates.get(leaf)
    assert (None if found is None else found.unit_price) == unit_price


def test_a_price_of_today_is_none_of_a_time_when_the_list_had_another(book: Book) -> None:
    name = ("azure.ai.openai", "gpt-4o-transcribe")
    assert _rate(book, *name, "input", "2026-09-10") == "2.5"
    assert _rate(book, *name, "input_audio", "2026-09-10") is None
    assert _rate(book, *name, "input_audio", "2026-11-12") == "6"


def test_a_floats_remainder_beside_sound_prices_sets_only_itself_aside(book: Book) -> None:
    day = "2026-11-20"
    assert _rate(book, "openrouter", "google/gemini-2.5-flash", "input", day) == "0.3"
    assert _rate(book, "openrouter", "google/gemini-2.5-flash", "cache_write_5m", day) is None


@pytest.mark.parametrize(
    ("piece", "tokens"),
    [
        ("images", {"output_image"}),
        ("media_ms", {"input_audio", "output_audio"}),
        ("characters", {"input"}),
    ],
)
def test_what_is_sold_by_the_token_is_not_sold_by_the_piece_too(
    book: Book, piece: str, tokens: set[str]
) -> None:
    rows = [row for row in book.prices() if piece in row.rates]
    assert rows
    assert [row.id for row in rows if tokens & row.rates.keys()] == []


def test_nothing_is_in_the_book_that_was_set_aside(book: Book, built: Built) -> None:
    reasons = {(item.provider, item.name.lower()): item.reason for item in built.set_aside}
    assert len(reasons) == len(built.set_aside) > 500
    assert all(reasons.values())
    for provider, name in reasons:
        assert isinstance(book.tariff(provider, name), Refusal), name


def test_no_row_has_a_zero_that_is_not_free_or_a_floats_remainder(book: Book) -> None:
    for row in book.prices():
        if row.model.endswith(":free") or row.provider == "openai":
            continue
        for leaf, rate in row.rates.items():
            included = row.provider == "perplexity" and leaf in ("web_searches", "citation")
            assert rate.numerator > 0 or included, (row.id, leaf)
            assert len(rate.unit_price.replace(".", "").strip("0")) <= 9, (row.id, leaf)


@pytest.mark.parametrize(
    ("text", "junk"),
    [
        ("1.0399999999999998", True),
        ("0.08333333333333334", True),
        ("0.119988", False),
        ("0.003625", False),
        ("1.333333", True),
        ("2.5", False),
    ],
)
def test_what_a_float_leaves_behind_is_told_from_a_price(text: str, junk: bool) -> None:
    assert is_junk(Decimal(text)) is junk


@pytest.mark.parametrize(
    ("names", "day"),
    [
        (["gpt-4o-2024-08-06", "gpt-4o"], "2024-08-06"),
        (["claude-3-haiku-20240307"], "2024-03-07"),
        (["mistral-medium-2505"], "2025-05-01"),
        (["claude-opus-4-8"], None),
        (["grok-4-0709", "gpt-4-1106-preview"], None),
    ],
)
def test_a_launch_is_read_off_the_names(names: list[str], day: str | None) -> None:
    assert launch_of(names) == day


def test_inputs_that_are_missing_or_changed_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"genai-prices 0\.2\.3 is not there; litellm"
    ) as one:
        read_inputs(tmp_path, _RULES)
    assert str(one.value).count("is not there") == len(_RULES.inputs)


def _usd(book: Book, provider: str, name: str, usage: Usage, day: str, **context: Any) -> Cost:
    return price(book, provider, name, usage, microseconds(f"{day}T12:00:00Z"), context)


@pytest.mark.parametrize(
    ("tokens", "total"), [(32_000, "0.0384"), (32_001, "0.0768024"), (200_000, "0.6")]
)
def test_a_model_sold_by_the_range_of_its_input_costs_that_ranges_price(
    book: Book, tokens: int, total: str
) -> None:
    usage = partition(tokens, 0, {})
    assert _usd(book, "dashscope", "qwen3-max", usage, "2026-11-20").total_text == total


def test_databricks_prices_are_those_that_its_own_unit_rounds(book: Book) -> None:
    usage = partition(1_000_000, 1_000_000, {"cache_read": 500_000})
    cost = _usd(book, "databricks", "databricks-claude-sonnet-4-5", usage, "2026-11-20")
    rates = {leaf: rate.unit_price for leaf, rate in cost.rates.items()}
    assert (rates["input"], rates["cache_read"], rates["output"]) == ("3", "0.3", "15")
    flash = _usd(book, "databricks", "databricks-gemini-3-1-flash-lite", usage, "2026-11-20")
    assert flash.rates["cache_read"].unit_price == "0.03125"


@pytest.mark.parametrize(
    ("context", "total", "bounds"),
    [
        ({}, "0.4", ("0.4", "0.64")),
        ({"resolution": "1080p"}, "0.64", None),
    ],
)
def test_video_is_sold_by_the_second_and_its_resolution(
    book: Book, context: Mapping[str, Any], total: str, bounds: tuple[str, str] | None
) -> None:
    usage = partition(None, None, {"media_ms": 8_000})
    cost = _usd(book, "gcp.gemini", "veo-3.1-lite-generate-preview", usage, "2026-04-13", **context)
    assert cost.total_text == total
    assert cost.bounds == (None if bounds is None else tuple(map(parse_money, bounds)))


def test_a_row_of_one_regions_profile_is_no_other_regions(book: Book) -> None:
    prefixes = ("us.", "eu.", "apac.", "jp.", "au.", "global.")
    for provider, name in book.names.models:
        if provider == "aws.bedrock" and name.startswith(prefixes):
            tariff = book.tariff(provider, name)
            assert not isinstance(tariff, Refusal)
            rows = [row for schedule in tariff.schedules.values() for *_, row in schedule]
            assert {str(row.model).split("/")[1].split(".")[0] for row in rows} <= {
                name.split(".")[0]
            }


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("azure", "azure/eu/gpt-4o-2024-08-06"),
        ("azure", "azure/global-standard/gpt-4o-mini"),
        ("bedrock", "bedrock/us-west-2/anthropic.claude-instant-v1"),
        ("bedrock", "apac.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("vercel", "anthropic/claude-opus-4"),
        ("snowflake_cortex", "claude-3-5-sonnet"),
        ("replicate", "meta/llama-2-13b"),
        ("lambda", "deepseek-r1-0528"),
        ("hyperbolic", "Qwen/QwQ-32B"),
        ("ovh", "Llama-3.1-8B-Instruct"),
        ("scaleway", "qwen/qwen3.5-397b-a17b"),
        ("baseten", "MiniMaxAI/MiniMax-M2.5"),
        ("novita", "deepseek/deepseek-v3.2"),
        ("ai21", "j2-mid"),
    ],
)
def test_providers_of_one_list_are_priced(book: Book, provider: str, name: str) -> None:
    cost = _usd(book, provider, name, partition(1_000, 100, {}), "2026-11-20")
    assert (cost.status, cost.reason) == ("priced", None)
