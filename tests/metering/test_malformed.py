"""Spans of an instrumentation gone wrong: a record each, never an error, never a price that is a guess."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import errors
from otel_genai_cost.journal.reader import segments
from tests.metering.conftest import CALL, CALL_COST, Metered

Make = Callable[..., Metered]
_HUGE = "x" * 10_000_000
_RECORD_LIMIT_BYTES = 16_384
_NOW_NS = 1_795_322_557_000_000_000


def _record_bytes(folder: Path) -> int:
    [segment] = segments(folder)
    return max(map(len, segment.read_bytes().splitlines()))


@pytest.mark.parametrize(
    "count",
    [
        -5,
        10**15,
        10**18,
        10**400,
        "1000",
        "a hundred",
        1.5,
        1000.0,
        True,
        float("nan"),
        [1000],
        b"1",
    ],
    ids=lambda value: f"{type(value).__name__} {str(value)[:12]}",
)
@pytest.mark.parametrize("leaf", ["input_tokens", "output_tokens", "cache_read.input_tokens"])
def test_a_count_that_is_no_count_is_invalid_usage(metered: Metered, leaf: str, count: Any) -> None:
    metered.call(**{f"gen_ai__usage__{leaf}": count})
    [found] = metered.journalled
    assert (found.cost.status, found.cost.reason, found.cost.total) == (
        "unpriced",
        "invalid_usage",
        None,
    )
    assert found.reading.usage.quality == "inconsistent"
    assert found.reading.raw and f"gen_ai.usage.{leaf}" in found.reading.raw
    shown = metered.shown
    assert (shown["genai_cost.status"], shown["genai_cost.reason"]) == ("unpriced", "invalid_usage")
    assert not {"genai_cost.total", "gen_ai.usage.cost"} & shown.keys()
    assert errors.failures == {}


def test_parts_larger_than_their_total_are_invalid_usage(metered: Metered) -> None:
    metered.call(**{"gen_ai.usage.cache_read.input_tokens": 1001})
    metered.call(**{"gen_ai.usage.reasoning.output_tokens": 101})
    assert {each.cost.reason for each in metered.journalled} == {"invalid_usage"}


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("gen_ai.request.model", _HUGE, "unknown_model"),
        ("gen_ai.request.model", ["a", "b"], "missing_model"),
        ("gen_ai.request.model", 4, "missing_model"),
        ("gen_ai.request.model", "", "missing_model"),
        ("gen_ai.request.model", "gpt\udcff", "unknown_model"),
        ("gen_ai.provider.name", _HUGE, "unknown_provider"),
        ("gen_ai.provider.name", "no\x00body", "unknown_provider"),
        ("openai.response.service_tier", _HUGE, "unpriced_tier"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_name_that_is_no_name_is_unpriced(
    metered: Metered, attribute: str, value: Any, reason: str
) -> None:
    metered.call(**{attribute: value})
    [found] = metered.journalled
    assert (found.cost.status, found.cost.reason) == ("unpriced", reason)
    assert _record_bytes(metered.folder) < _RECORD_LIMIT_BYTES
    assert errors.failures == {}


@pytest.mark.parametrize(
    "attribute",
    [
        "gen_ai.operation.name",
        "gen_ai.response.id",
        "gen_ai.agent.name",
        "genai_cost.feature",
        "error.type",
        "gen_ai.usage.cost",
        "tenant.id",
        "gen_ai.input.messages",
    ],
)
@pytest.mark.parametrize(
    "value", [_HUGE, "\udcff", -1.5, [True], b"\xff"], ids=lambda value: repr(value)[:12]
)
def test_odd_values_beside_a_sound_call_change_nothing_of_its_price(
    metered: Metered, attribute: str, value: Any
) -> None:
    metered.call(**{attribute: value})
    [found] = metered.journalled
    assert (found.cost.total_text, found.attribution.tenant) == (CALL_COST, None)
    assert _record_bytes(metered.folder) < _RECORD_LIMIT_BYTES
    assert errors.failures == {}


def test_text_that_is_no_unicode_is_journalled_wherever_it_stands(make: Make) -> None:
    """What `OTEL_SERVICE_NAME` holds if its bytes are no UTF-8."""
    resource = Resource({"service.name": "caf\udce9", "host.name": "h"})
    metered = make(provider=TracerProvider(resource=resource))
    metered.tracer("scope\udce9", "1\udce9").start_span("chat", attributes=CALL).end()
    [found] = metered.journalled
    assert (found.origin.service, found.origin.host) == ("caf?", "h")
    assert (found.scope, found.cost.total_text) == ("scope?", CALL_COST)


def test_an_endless_scope_or_resource_is_cut(make: Make) -> None:
    resource = Resource({"service.name": _HUGE, "service.instance.id": _HUGE})
    metered = make(provider=TracerProvider(resource=resource))
    metered.tracer(_HUGE, _HUGE).start_span("chat", attributes=CALL).end()
    assert [each.cost.total_text for each in metered.journalled] == [CALL_COST]
    assert _record_bytes(metered.folder) < _RECORD_LIMIT_BYTES


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (-1, None, None),
        (2**64, None, None),
        (10**40, None, None),
        (_NOW_NS, -1, "invalid_time"),
        (_NOW_NS, 0, "invalid_time"),
        (_NOW_NS, 2**63, "invalid_time"),
        (_NOW_NS, float("nan"), "invalid_time"),
        (_NOW_NS, float("inf"), "invalid_time"),
        (_NOW_NS, "yesterday", "invalid_time"),
        (_NOW_NS, 1_795_322_557.5, "out_of_effective_range"),  # seconds where nanoseconds belong
    ],
)
def test_absurd_times_are_journalled_and_never_priced_by_guess(
    metered: Metered, start: Any, end: Any, reason: str | None
) -> None:
    metered.tracer().start_span("chat", attributes=CALL, start_time=start).end(end_time=end)
    [found] = metered.journalled
    assert (found.cost.reason, found.cost.status) == (reason, "unpriced" if reason else "priced")
    assert 0 <= found.start_us < 2**63 // 1000
    assert 0 <= found.end_us < 2**63 // 1000
    assert errors.failures == {}


_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=40),
    st.binary(max_size=8),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
_names = st.sampled_from(
    [
        *CALL,
        "gen_ai.system",
        "gen_ai.response.model",
        "gen_ai.response.id",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.audio.cache_read.input_tokens",
        "gen_ai.usage.cost",
        "openai.response.service_tier",
        "tenant.id",
        "error.type",
        "genai_cost.agent",
    ]
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.dictionaries(_names, _values, max_size=8))
def test_whatever_a_span_says_it_is_one_record_and_no_error(
    make: Make, odd: dict[str, Any]
) -> None:
    metered = make()
    metered.tracer().start_span("chat", attributes={**CALL, **odd}).end()
    [found] = metered.journalled
    assert errors.failures == {}
    assert (found.cost.total is None) == (found.cost.status != "priced")
    usage = found.reading.usage
    quality = "estimated" if usage.output_total is None else "reported"
    assert found.cost.reason is not None or usage.quality == quality
