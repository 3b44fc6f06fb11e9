"""The official conventions: recorded spans say what the provider billed, and nonsense is never a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES, UNTRUSTED
from otel_genai_cost.usage.read import Reading
from otel_genai_cost.usage.scopes import dialect_of
from tests.usage.recorded import RecordedCase, RecordedSpan, recordings, span_with

_CASES: Final = [
    case
    for case in recordings()
    if case.case_id.startswith(("otel-genai-openai/", "otel-genai-openai-on", "otel-openai-v2"))
]
_LEAF_OF: Final = {
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "reasoning": "reasoning",
    "audio_in": "input_audio",
    "audio_out": "output_audio",
}
_CALL: Final[Mapping[str, object]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
}
_TOTALS: Final = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}


def _read(span: RecordedSpan) -> Reading:
    reading = dialect_of(span.scope_name, span.scope_version).read(span)
    assert reading is not None
    return reading


def _leaves(billed: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """The disjoint leaves of what a provider billed; nothing of what is zero."""
    parts = {leaf: billed.get(name, 0) for name, leaf in _LEAF_OF.items()}
    rest = {
        "input": billed["input_total"] - sum(parts.get(leaf, 0) for leaf in INPUT_LEAVES),
        "output": billed.get("output_total", 0) - sum(parts.get(leaf, 0) for leaf in OUTPUT_LEAVES),
    }
    return tuple(sorted((leaf, n) for leaf, n in {**parts, **rest}.items() if n))


def _told(reading: Reading) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((leaf, n) for leaf, n in reading.usage.leaves.items() if n))


def _current(case: RecordedCase) -> bool:
    return case.case_id.startswith("otel-genai-openai")


@pytest.mark.parametrize(
    "case", [case for case in _CASES if _current(case)], ids=lambda case: case.case_id
)
def test_recorded_spans_tell_the_leaves_that_were_billed(case: RecordedCase) -> None:
    readings = [_read(span) for span in case.spans]
    known = [reading for reading in readings if reading.usage.quality != "unknown"]
    if not known:  # the client asked for no usage, or the call failed: unknown, never a guess
        assert all(reading.usage.leaves == {} for reading in readings)
        return
    assert {reading.usage.quality for reading in known} == {"reported"}
    assert Counter(map(_told, known)) == Counter(map(_leaves, case.billable))


@pytest.mark.parametrize(
    "case", [case for case in _CASES if not _current(case)], ids=lambda case: case.case_id
)
def test_an_emitter_that_drops_parts_has_right_totals_and_estimated_usage(
    case: RecordedCase,
) -> None:
    told = [usage for span in case.spans if (usage := _read(span).usage).leaves]
    assert {usage.quality for usage in told} <= {"estimated"}
    totals = [(billed["input_total"], billed["output_total"]) for billed in case.billable]
    assert all((usage.input_total, usage.output_total) in totals for usage in told)


def test_recorded_spans_name_model_provider_response_and_tier() -> None:
    [case] = [case for case in _CASES if case.case_id == "otel-genai-openai/openai-tier-flex"]
    reading = _read(case.spans[0])
    assert reading.role == "response"
    assert (reading.operation, reading.provider) == ("chat", "openai")
    assert (reading.model_requested, reading.model_returned) == ("o4-mini", "o4-mini-2025-04-16")
    assert (reading.response_id or "").startswith("chatcmpl-")
    assert reading.context == {"service_tier": "flex"}


def test_reading_a_stored_response_again_is_a_poll() -> None:
    [case] = [case for case in _CASES if case.case_id.endswith("openai-responses-retrieve")]
    assert [_read(span).role for span in case.spans] == ["poll"]


@pytest.mark.parametrize(
    ("attributes", "tier"),
    [
        (
            {"openai.request.service_tier": "auto", "openai.response.service_tier": "priority"},
            "priority",
        ),
        ({"openai.request.service_tier": "flex"}, "flex"),
        ({"gen_ai.openai.response.service_tier": "scale"}, "scale"),
        ({"gen_ai.openai.request.service_tier": "flex"}, "flex"),
        (
            {
                "openai.request.service_tier": "flex",
                "gen_ai.openai.response.service_tier": "default",
            },
            "default",
        ),
        ({"openai.response.service_tier": 7, "openai.request.service_tier": "flex"}, "flex"),
    ],
)
def test_the_tier_that_served_the_call_counts_before_the_one_asked_for(
    attributes: Mapping[str, object], tier: str
) -> None:
    assert _read(span_with({**_CALL, **attributes})).context == {"service_tier": tier}


def test_older_spellings_are_read_where_the_newer_are_missing() -> None:
    reading = _read(
        span_with(
            {
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.prompt_tokens": 100,
                "gen_ai.usage.completion_tokens": 20,
                "gen_ai.usage.cache_creation.input_tokens": 30,
            }
        )
    )
    assert reading.provider == "openai"
    assert reading.usage.leaves == {"input": 70, "cache_write": 30, "output": 20}


def test_the_newer_spelling_wins_where_both_are_there() -> None:
    both = {
        **_CALL,
        **_TOTALS,
        "gen_ai.system": "other",
        "gen_ai.usage.prompt_tokens": 999,
        "gen_ai.usage.cache_write.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 50,
    }
    reading = _read(span_with(both))
    assert (reading.provider, reading.usage.input_total) == ("openai", 100)
    assert reading.usage.leaves["cache_write"] == 40


@pytest.mark.parametrize(
    "count", [True, False, 1.0, "100", -1, 10**15, 10**30, (1, 2), b"7", float("nan")], ids=repr
)
@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.cache_read.input_tokens",
    ],
)
def test_what_is_no_count_makes_the_usage_inconsistent_and_is_kept_for_a_person(
    name: str, count: object
) -> None:
    reading = _read(span_with({**_CALL, **_TOTALS, name: count}))
    assert (reading.usage.quality, dict(reading.usage.leaves)) == ("inconsistent", {})
    assert reading.raw is not None and name in reading.raw


def test_parts_larger_than_their_total_are_inconsistent() -> None:
    reading = _read(span_with({**_CALL, **_TOTALS, "gen_ai.usage.cache_read.input_tokens": 101}))
    assert reading.usage.quality == "inconsistent"
    reading = _read(span_with({**_CALL, "gen_ai.usage.cache_read.input_tokens": 5}))
    assert reading.usage.quality == "inconsistent"


def test_zero_is_reported_and_absent_is_unknown() -> None:
    zero = {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}
    answered = {**_TOTALS, "gen_ai.usage.output_tokens": 0}
    assert _read(span_with({**_CALL, **answered})).usage.leaves == {"input": 100, "output": 0}
    assert (
        _read(span_with({**_CALL, **zero})).usage is UNTRUSTED
    )  # nothing is not what anybody used
    assert _read(span_with(_CALL)).usage.quality == "unknown"


def test_raw_is_bounded_whatever_the_attributes_are() -> None:
    hostile = {f"gen_ai.usage.{n:0>300}": "x" * 1_000_000 for n in range(60)}
    hostile |= {"gen_ai.usage.huge": 10**5000, "gen_ai.usage.list": tuple(range(100_000))}  # type: ignore[dict-item]
    raw = _read(span_with({**_CALL, **hostile, "gen_ai.usage.input_tokens": -1})).raw
    assert raw is not None
    assert sum(len(key) + len(value) for key, value in raw.items()) <= 4096


@pytest.mark.parametrize(
    ("operation", "with_usage", "without"),
    [
        ("chat", "response", "response"),
        ("embeddings", "response", "response"),
        ("generate_content", "response", "response"),
        ("fetch_response", "poll", "poll"),
        ("invoke_agent", "aggregate", "context"),
        ("create_agent", "aggregate", "context"),
        ("invoke_workflow", "aggregate", "context"),
        ("execute_tool", "aggregate", "context"),
    ],
)
def test_the_operation_decides_the_role(operation: str, with_usage: str, without: str) -> None:
    call = {**_CALL, "gen_ai.operation.name": operation}
    assert _read(span_with({**call, **_TOTALS})).role == with_usage
    assert _read(span_with(call)).role == without


def test_a_span_with_nothing_but_a_tenant_is_context_and_one_with_nothing_is_nothing() -> None:
    assert _read(span_with({"tenant.id": "acme"})).role == "context"
    span = span_with({"http.request.method": "GET"})
    assert dialect_of(span.scope_name, span.scope_version).read(span) is None


def test_labels_come_from_ours_and_fall_back_to_the_conventions() -> None:
    fallbacks = {"gen_ai.agent.name": "planner", "gen_ai.workflow.name": "digest"}
    assert _read(span_with({**_CALL, **fallbacks})).labels == {
        "agent": "planner",
        "workflow": "digest",
    }
    ours = {"genai_cost.agent": "writer", "genai_cost.feature": "chat", "tenant.plan": "pro"}
    assert _read(span_with({**_CALL, **fallbacks, **ours})).labels == {
        "agent": "writer",
        "workflow": "digest",
        "feature": "chat",
        "plan": "pro",
    }


def test_a_foreign_cost_is_kept_apart() -> None:
    assert _read(span_with({**_CALL, "gen_ai.usage.cost": 0.25})).foreign_cost == "0.25"


def test_names_are_bounded_and_only_text_is_a_name() -> None:
    reading = _read(
        span_with({**_CALL, "gen_ai.request.model": "m" * 10_000_000, "gen_ai.provider.name": 7})
    )
    assert len(reading.model_requested or "") == 256
    assert reading.provider is None


_NAMES: Final = st.sampled_from(
    [*_CALL, *_TOTALS, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cost", "tenant.id"]
)
_VALUES: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)


@given(st.dictionaries(_NAMES, _VALUES))
@settings(
    suppress_health_check=[HealthCheck.too_slow]
)  # the first text builds a table of all characters
def test_no_attributes_raise_and_leaves_always_re_add(attributes: dict[str, object]) -> None:
    span = span_with(attributes)
    reading = dialect_of(span.scope_name, span.scope_version).read(span)
    if reading is not None and reading.usage.leaves:
        usage = reading.usage
        assert sum(usage.leaves.values()) == (usage.input_total or 0) + (usage.output_total or 0)
