"""What is on a span and was not read makes the figure estimated, by name; what only looks like usage does not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.doubts import DOUBTS_MAX
from tests.usage.judge import read, reading_of
from tests.usage.recorded import recordings, span_with

_UNKNOWN = "some.instrumentation"
_CALL: Mapping[str, object] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.usage.input_tokens": 10_000,
    "gen_ai.usage.output_tokens": 200,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("some.credits", 12),
        ("some.credits_used", "0.5"),
        ("gen_ai.usage.cache_miss_penalty_tokens", 3),
        ("vendor.search_count", 2),
        ("vendor.usage", '{"thoughts": 12}'),
        ("vendor.cache_hit", True),
        ("vendor.audio_seconds_billed_units", 4),
        ("vendor.total_cost", 0.25),
        ("vendor.thinking_tokens", 20),
    ],
)
def test_what_looks_like_usage_and_was_not_read_is_named(name: str, value: object) -> None:
    reading = read({**_CALL, name: value}, _UNKNOWN)
    assert reading.usage.quality == "estimated"
    assert reading.doubts == (f"unread:{name}",)
    assert reading.raw is not None and name in reading.raw
    assert reading.usage.leaves == {"input": 10_000, "output": 200}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("some.credits", 0),
        ("some.credits", False),
        ("some.credits", ""),
        ("gen_ai.request.max_tokens", 4096),
        ("llm.max_completion_tokens", 4096),
        ("gen_ai.request.reasoning_effort", "high"),
        ("gen_ai.server.time_to_first_token", 0.3),
        ("http.response.header.x-ratelimit-remaining-tokens", "1200"),
        ("llm.cost.total", 0.5),
        ("gen_ai.usage.cost", 0.5),
        ("cost_center", 4711),
        ("app.research.step", 3),
        ("gen_ai.usage.total_tokens", 10_200),
        ("llm.usage.prompt_tokens", 10_000),
        ("usage.output.tokens", 200),
        ("gen_ai.prompt.0.content", "how many tokens, 42?"),
        ("tenant.budget", 12),
        ("metadata.user_api_key_spend", 12.5),
    ],
)
def test_limits_speeds_content_repetitions_and_others_figures_are_none(
    name: str, value: object
) -> None:
    reading = read({**_CALL, name: value}, _UNKNOWN)
    assert (reading.usage.quality, reading.doubts) == ("reported", ())


@pytest.mark.parametrize(
    ("name", "leaf"),
    [
        ("gen_ai.usage.cache_read_input_tokens", "cache_read"),
        ("gen_ai.usage.input_tokens.cached", "cache_read"),
        ("gen_ai.usage.cached_input_tokens", "cache_read"),
        ("gen_ai.usage.input_cached_tokens", "cache_read"),
        ("gen_ai.usage.prompt_tokens_details.cached_tokens", "cache_read"),
        ("gen_ai.usage.output_tokens.reasoning", "reasoning"),
        ("gen_ai.usage.input_audio_tokens", "input_audio"),
    ],
)
def test_an_unknown_scope_is_read_under_spellings_seen_in_the_wild(name: str, leaf: str) -> None:
    reading = read({**_CALL, name: 64}, _UNKNOWN)
    assert reading.usage.leaves[leaf] == 64
    assert (reading.usage.quality, reading.doubts) == ("reported", ())


def test_a_name_without_a_prefix_is_usage_only_on_a_models_call() -> None:
    query = {"input_tokens": 5, "output_tokens": 7}
    assert reading_of(span_with(query, scope=_UNKNOWN)) is None
    named = {"gen_ai.request.model": "gpt-4.1", **query}
    assert read(named, _UNKNOWN).usage.input_total == 5


@pytest.mark.parametrize(
    ("provider", "model", "more", "leaves", "doubts"),
    [
        ("anthropic", "claude-sonnet-4-5", {"total_tokens": 4_200}, (3_000, 1_000), ()),
        ("anthropic", "claude-sonnet-4-5", {}, (2_000, 1_000), ("two_conventions",)),
        ("aws.bedrock", "amazon.nova-pro-v1:0", {}, (2_000, 1_000), ("two_conventions",)),
        ("openai", "gpt-4.1", {}, (2_000, 1_000), ()),
        ("openrouter", "anthropic/claude-sonnet-4-5", {}, (2_000, 1_000), ()),
    ],
)
def test_a_cache_that_may_be_inside_or_outside_is_estimated_unless_a_total_tells(
    provider: str,
    model: str,
    more: Mapping[str, int],
    leaves: tuple[int, int],
    doubts: tuple[str, ...],
) -> None:
    told = {f"gen_ai.usage.{name}": n for name, n in more.items()}
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": 3_000,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.usage.cache_read.input_tokens": 1_000,
    }
    reading = read({**call, **told}, _UNKNOWN)
    usage = reading.usage
    assert (usage.leaves["input"], usage.leaves["cache_read"]) == leaves
    assert (reading.doubts, usage.quality == "estimated") == (doubts, bool(doubts))
    if doubts:
        assert usage.low is not None and usage.high is not None
        assert (usage.low["input"], usage.high["input"]) == (2_000, 3_000)


def test_input_and_output_that_exceed_a_total_are_doubted() -> None:
    reading = read({**_CALL, "gen_ai.usage.total_tokens": 9_000}, _UNKNOWN)
    assert (reading.usage.quality, reading.doubts) == ("estimated", ("exceeds_total",))


@pytest.mark.parametrize(
    ("api", "more", "output"),
    [
        (None, {}, 3_499 + 2_809),
        ("chat_completions", {}, 3_499 + 2_809),
        ("responses", {}, 3_499),
        (None, {"gen_ai.usage.total_tokens": 10_120 + 3_499}, 3_499),
        (None, {"gen_ai.usage.total_tokens": 10_120 + 3_499 + 2_809}, 3_499 + 2_809),
    ],
)
def test_xais_chat_leaves_reasoning_out_of_the_output(
    api: str | None, more: Mapping[str, int], output: int
) -> None:
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "xai",
        "gen_ai.request.model": "grok-4.20",
        "gen_ai.usage.input_tokens": 10_120,
        "gen_ai.usage.output_tokens": 3_499,
        "gen_ai.usage.reasoning.output_tokens": 2_809,
    }
    told = {**call, **more, **({"openai.api.type": api} if api else {})}
    usage = read(told, "opentelemetry.instrumentation.genai.openai").usage
    assert (usage.output_total, usage.leaves["reasoning"], usage.quality) == (
        output,
        2_809,
        "reported",
    )


def test_doubts_are_few_and_short_and_travel_in_the_journal() -> None:
    many = {f"vendor.credits.{'x' * 500}.{n}": n + 1 for n in range(50)}
    [observation] = meter(
        span_with({**_CALL, **many}, scope=_UNKNOWN),
        CallProfiles(load_book()),
        lambda reading: Attribution(),
    )
    doubts = observation.reading.doubts
    assert len(doubts) == DOUBTS_MAX
    assert all(len(each) <= 160 for each in doubts)
    record = to_record(observation)
    assert tuple(record["doubts"]) == doubts
    assert from_record({**record, "origin": list(observation.origin)}).reading.doubts == doubts
    assert len(encode(record)) < 16_384


def test_nothing_is_doubted_of_what_was_recorded_but_two_ways_to_count() -> None:
    found = {
        doubt
        for case in recordings()
        for span in case.spans
        if (reading := reading_of(span)) is not None
        for doubt in reading.doubts
    }
    assert found <= {"two_conventions"}
