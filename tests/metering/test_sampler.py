"""The team's sampling stays as it is, and charges don't depend on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from otel_genai_cost import errors, tenant
from otel_genai_cost.metering.sampler import RecordGenAISampler, recording
from tests.metering.conftest import CALL, Metered

Make = Callable[..., Metered]


class _Composite(Sampler):
    """Like the SDK's experimental composite sampler: keeps no attributes, not even of what it samples."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return SamplingResult(self._decision, None, TraceState([("vendor", "1")]))

    def get_description(self) -> str:
        return "Composite"


SAMPLERS: dict[str, Sampler] = {
    "1.0": TraceIdRatioBased(1.0),
    "0.01": TraceIdRatioBased(0.01),
    "0.0": TraceIdRatioBased(0.0),
    "off": ALWAYS_OFF,
    "parent": ParentBased(TraceIdRatioBased(0.5)),
    "composite on": _Composite(Decision.RECORD_AND_SAMPLE),
    "composite record": _Composite(Decision.RECORD_ONLY),
    "composite off": _Composite(Decision.DROP),
}


def _traffic(metered: Metered) -> None:
    """Three tenants, calls of three models, at the root and below spans that are sampled or not."""
    tracer = metered.tracer("app")
    for n in range(60):
        with tenant(f"t{n % 3}"), tracer.start_as_current_span("request"):
            metered.call(gen_ai__request__model=("gpt-4o-mini", "gpt-4o", "o1")[n % 3])
    for sampled in (True, False):
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        remote = NonRecordingSpan(SpanContext(77, 99, True, flags))
        with tenant("t0"):
            metered.call(parent=trace.set_span_in_context(remote))


def _charges(metered: Metered) -> Counter[tuple[str | None, str | None]]:
    return Counter(
        (each.attribution.tenant, each.cost.total_text)
        for each in metered.journalled
        if each.cost.status == "priced"
    )


@pytest.mark.parametrize("name", SAMPLERS)
def test_charges_are_the_same_whatever_the_sampler_says(make: Make, name: str) -> None:
    whole, thinned = make(), make(sampler=SAMPLERS[name])
    _traffic(whole)
    _traffic(thinned)
    assert sum(_charges(whole).values()) == 62
    assert _charges(thinned) == _charges(whole)
    assert errors.failures == {}


def test_what_is_exported_is_what_the_sampler_wanted(make: Make) -> None:
    metered = make(sampler=TraceIdRatioBased(0.3))
    for _ in range(128):
        metered.call(parent=Context())
    decide = TraceIdRatioBased(0.3).should_sample
    wanted = {
        each.span_id: decide(None, int(each.trace_id, 16), "chat").decision
        is Decision.RECORD_AND_SAMPLE
        for each in metered.journalled
    }
    assert {each.span_id: each.sampled for each in metered.journalled} == wanted
    exported = {f"{span.context.span_id:016x}" for span in metered.spans if span.context}
    assert exported == {span_id for span_id, sampled in wanted.items() if sampled}
    assert len(wanted) == 128 > len(exported) > 0


def test_spans_that_are_no_calls_stay_dropped(make: Make) -> None:
    seen: list[str] = []

    class Vendor(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            seen.append(span.name)

    metered = make(sampler=ALWAYS_OFF)
    metered.provider.add_span_processor(Vendor())
    tracer = metered.tracer("app")
    with tracer.start_as_current_span("GET /", attributes={"http.route": "/"}) as request:
        assert not request.is_recording()
        metered.call()
    assert seen == ["chat gpt-4o-mini"]
    assert metered.spans == ()


def test_a_call_recorded_for_us_passes_the_senders_decision_on(make: Make) -> None:
    """`sampled` in the trace context stays false, so services below decide as before."""
    metered = make(sampler=ALWAYS_OFF)
    span = metered.tracer().start_span("chat", attributes=CALL)
    assert span.is_recording()
    assert not span.get_span_context().trace_flags.sampled
    below = metered.tracer("app").start_span("POST", context=trace.set_span_in_context(span))
    assert not below.is_recording()


@pytest.mark.parametrize("decision", list(Decision))
def test_start_attributes_and_trace_state_are_kept_on_every_decision(decision: Decision) -> None:
    sampler = RecordGenAISampler(_Composite(decision))
    found = sampler.should_sample(None, 1, "chat", attributes=CALL)
    expected = Decision.RECORD_ONLY if decision is Decision.DROP else decision
    assert (found.decision, dict(found.attributes or {})) == (expected, CALL)
    assert found.trace_state is not None and found.trace_state.get("vendor") == "1"
    other = sampler.should_sample(None, 1, "GET /", attributes={"http.route": "/"})
    assert (other.decision, dict(other.attributes or {})) == (decision, {})


def test_attributes_of_the_sampler_itself_win() -> None:
    class Marks(Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, {"rate": 7, "gen_ai.system": "mine"})

        def get_description(self) -> str:
            return "Marks"

    found = RecordGenAISampler(Marks()).should_sample(
        None, 1, "chat", attributes={"gen_ai.request.model": "m", "gen_ai.system": "x"}
    )
    assert dict(found.attributes or {}) == {
        "rate": 7,
        "gen_ai.system": "mine",
        "gen_ai.request.model": "m",
    }


@pytest.mark.parametrize(
    ("name", "attributes", "recorded"),
    [
        ("chat gpt-4o-mini", None, True),
        ("openai.response", {}, True),
        ("x", {"gen_ai.operation.name": "chat"}, True),
        ("x", {"http.route": "/", "llm.system": "openai"}, True),
        ("x", {"openinference.span.kind": "LLM"}, True),
        ("GET /chat", {"http.route": "/chat"}, False),
        ("chatter", None, False),
        ("", None, False),
    ],
)
def test_which_spans_may_be_calls(
    name: str, attributes: dict[str, Any] | None, recorded: bool
) -> None:
    found = RecordGenAISampler(ALWAYS_OFF).should_sample(None, 1, name, attributes=attributes)
    assert (found.decision is Decision.RECORD_ONLY) == recorded


@pytest.mark.parametrize("attributes", [{3: "x"}, {None: 1}])
def test_odd_attributes_leave_the_samplers_decision(attributes: dict[Any, Any]) -> None:
    for inner in (ALWAYS_ON, ALWAYS_OFF):
        found = RecordGenAISampler(inner).should_sample(None, 1, "x", attributes=attributes)
        assert found.decision is inner.should_sample(None, 1, "x", attributes=attributes).decision
    errors.failures.clear()


def test_an_odd_span_name_is_the_applications_own_affair() -> None:
    found = RecordGenAISampler(ALWAYS_OFF).should_sample(None, 1, None)  # type: ignore[arg-type]  # pyright: ignore
    assert found.decision is Decision.DROP
    errors.failures.clear()


def test_a_tracer_made_before_attaching_is_metered(make: Make) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    early = provider.get_tracer("opentelemetry.instrumentation.genai.openai", "1.3b0")
    metered = make(provider=provider)
    early.start_span("chat", attributes=CALL).end()
    assert len(metered.journalled) == 1


def test_sampled_calls_only_where_the_team_wants_that(make: Make) -> None:
    metered = make(sampler=TraceIdRatioBased(0.0), record_unsampled="false")
    metered.call()
    assert metered.journalled == []
    assert metered.provider.sampler.get_description() == "TraceIdRatioBased{0.0}"


def test_the_description_names_both() -> None:
    described = RecordGenAISampler(_Composite(Decision.DROP)).get_description()
    assert described == "RecordGenAISampler{Composite}"


def test_a_sampler_that_drops_nothing_stays() -> None:
    assert recording(ALWAYS_ON) is ALWAYS_ON


_ROOT_CONTEXT = Context()


@pytest.mark.parametrize("is_remote", [True, False])
@pytest.mark.parametrize("flags", [TraceFlags.DEFAULT, TraceFlags.SAMPLED])
@pytest.mark.parametrize("root", [ALWAYS_ON, ALWAYS_OFF, TraceIdRatioBased(0.0)])
def test_whatever_a_parent_decides_calls_are_recorded(
    root: Sampler, flags: int, is_remote: bool
) -> None:
    parent = NonRecordingSpan(SpanContext(1, 2, is_remote, TraceFlags(flags)))
    inner = ParentBased(root)
    for context in (trace.set_span_in_context(parent, _ROOT_CONTEXT), _ROOT_CONTEXT):
        for name, attributes in (("chat", CALL), ("GET /", {"http.route": "/"})):
            kept = inner.should_sample(context, 1, name, attributes=attributes).decision
            expected = (
                Decision.RECORD_ONLY if kept is Decision.DROP and attributes is CALL else kept
            )
            found = recording(inner).should_sample(context, 1, name, attributes=attributes)
            assert found.decision is expected


def test_a_sampler_that_decides_for_itself_below_a_parent_is_wrapped_whole() -> None:
    class Own(ParentBased):
        def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
            return SamplingResult(Decision.DROP)

    bare = ParentBased(ALWAYS_OFF)
    del bare._root
    for inner in (Own(ALWAYS_ON), bare):
        assert isinstance(recording(inner), RecordGenAISampler)


def test_the_samplers_own_error_is_not_hidden() -> None:
    class Broken(Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
            raise RuntimeError("the team's own")

        def get_description(self) -> str:
            return "Broken"

    with pytest.raises(RuntimeError, match="own"):
        RecordGenAISampler(Broken()).should_sample(None, 1, "x")
