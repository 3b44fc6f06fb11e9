"""Each private name of OpenTelemetry is there in this version, and where it is not, what takes its place works.

`make test-all` runs this under the oldest SDK that is supported, the first that froze spans, and the newest.
"""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    Span,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, ParentBased
from opentelemetry.sdk.version import __version__ as sdk_version

from otel_genai_cost import otel_api
from otel_genai_cost.metering import sdk_span
from otel_genai_cost.metering.sampler import RecordGenAISampler, recording

_RELEASE = tuple(map(int, sdk_version.split(".")[:2]))


class _Public:
    """An object of the SDK by its public names alone."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.inner, name)


def _ending(limits: SpanLimits | None = None, **attributes: Any) -> Span:
    """A span, as a processor's hook is given it before exporters see it."""
    seen: list[Span] = []

    class Look(SpanProcessor):
        def _on_ending(self, span: Span) -> None:
            seen.append(span)

    provider, look = TracerProvider(span_limits=limits), Look()
    provider.add_span_processor(look)
    assert sdk_span.call_at_ending(provider, look)
    provider.get_tracer("x").start_span("chat", attributes=attributes).end()
    return seen[0]


def test_hook_is_called_once_and_before_the_span_is_exported() -> None:
    order: list[str] = []

    class Look(SpanProcessor):
        def __init__(self, name: str) -> None:
            self.name = name

        def _on_ending(self, span: Span) -> None:
            assert span.end_time is not None
            order.append(f"{self.name} ends")
            sdk_span.write(span, {"cost": "0.1"})

        def on_end(self, span: ReadableSpan) -> None:
            order.append(f"{self.name} has {dict(span.attributes or {})}")

    provider, ours = TracerProvider(), Look("ours")
    exporter = Look("exporter")
    exporter._on_ending = lambda span: None  # type: ignore[method-assign]
    provider.add_span_processor(exporter)
    tracer = provider.get_tracer("x")
    provider.add_span_processor(ours)
    for _ in range(2):
        assert sdk_span.call_at_ending(provider, ours)
    span: Any = tracer.start_span("chat")
    span._readable_span()  # others ask for a copy of a span that goes on
    span.end()
    span._readable_span()
    cost = {"cost": "0.1"}
    assert order == ["ours ends", f"exporter has {cost}", f"ours has {cost}"]


def test_hook_that_cannot_be_had_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(SpanProcessor, "_on_ending", raising=False)
    assert not sdk_span.call_at_ending(_Public(TracerProvider()), SpanProcessor())


def test_attributes_are_found_without_a_copy() -> None:
    span = _ending(a=1)
    assert sdk_span.attributes_of(span) is sdk_span.attributes_of(span)
    assert dict(sdk_span.attributes_of(span)) == {"a": 1}
    assert dict(sdk_span.attributes_of(_Public(span))) == {"a": 1}


def test_attributes_are_written_behind_the_freeze_and_within_the_limit() -> None:
    span = _ending(a=1, b=2)
    sdk_span.write(span, {"cost": "0.1"}, without="a")
    assert dict(span.attributes or {}) == {"b": 2, "cost": "0.1"}
    sdk_span.write(_Public(span), {"more": 1})
    assert "more" not in (span.attributes or {})
    span = _ending(SpanLimits(max_span_attributes=2), a=1, b=2)
    sdk_span.write(span, {"cost": "0.1"})
    assert dict(span.attributes or {}) == {"b": 2, "cost": "0.1"}
    assert span.dropped_attributes == 1


def test_attributes_of_a_span_that_records_are_set_by_its_public_name() -> None:
    span: Any = TracerProvider().get_tracer("x").start_span("chat")
    sdk_span.write(_Public(span), {"cost": "0.1"})
    assert span.attributes == {"cost": "0.1"}


def test_limit_of_texts_is_known() -> None:
    span = _ending(SpanLimits(max_span_attribute_length=7))
    assert sdk_span.text_limit_of(span) == 7
    assert sdk_span.text_limit_of(_Public(span)) is None
    span = _ending()
    assert sdk_span.text_limit_of(span) is None


def test_processors_of_a_provider_are_known() -> None:
    provider, one = TracerProvider(), SpanProcessor()
    provider.add_span_processor(one)
    feeds = sdk_span.span_processor_of(provider)
    assert isinstance(feeds, SynchronousMultiSpanProcessor)
    assert sdk_span.parts_of(feeds) == (one,)
    assert sdk_span.parts_of(one) is None
    concurrent = ConcurrentMultiSpanProcessor(1)
    assert sdk_span.parts_of(concurrent) == ()
    concurrent.shutdown()
    assert sdk_span.span_processor_of(_Public(provider)) is None
    assert sdk_span.parts_of(_Public(feeds)) is None


def test_tracers_that_were_made_are_known() -> None:
    provider = TracerProvider()
    tracer = provider.get_tracer("x", "1")
    assert hasattr(provider, "_tracers") == (_RELEASE >= (1, 41))
    assert sdk_span.tracers_of(provider) == [tracer]
    vars(provider).pop("_tracers", None)
    assert sdk_span.tracers_of(provider) == [tracer]


def test_tracers_that_were_made_feed_another_processor() -> None:
    started: list[str] = []

    class Look(SpanProcessor):
        def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
            started.append(span.name)

    provider = TracerProvider()
    tracer = provider.get_tracer("x", "1")
    sdk_span.set_span_processor(provider, Look())
    tracer.start_span("before")
    provider.get_tracer("y").start_span("after")
    assert started == ["before", "after"]


def test_delegates_of_a_sampler_are_known_in_the_order_of_its_constructor() -> None:
    inner = ParentBased(
        DEFAULT_ON,
        remote_parent_sampled=ALWAYS_OFF,
        remote_parent_not_sampled=DEFAULT_ON,
        local_parent_sampled=ALWAYS_OFF,
        local_parent_not_sampled=DEFAULT_ON,
    )
    found = sdk_span.delegates_of(inner)
    assert found == (DEFAULT_ON, ALWAYS_OFF, DEFAULT_ON, ALWAYS_OFF, DEFAULT_ON)
    assert isinstance(recording(inner), ParentBased)
    assert sdk_span.delegates_of(ALWAYS_OFF) is None
    vars(inner).clear()
    assert sdk_span.delegates_of(inner) is None
    assert isinstance(recording(inner), RecordGenAISampler)


@pytest.mark.parametrize("hidden", [False, True], ids=["known", "hidden"])
def test_baggage_and_span_of_a_context_are_known(
    monkeypatch: pytest.MonkeyPatch, hidden: bool
) -> None:
    assert otel_api._BAGGAGE_KEY is not None
    assert otel_api._SPAN_KEY is not None
    if hidden:
        monkeypatch.setattr(otel_api, "_BAGGAGE_KEY", None)
        monkeypatch.setattr(otel_api, "_SPAN_KEY", None)
    span = TracerProvider().get_tracer("x").start_span("request")
    current = baggage.set_baggage("tenant.id", "acme", trace.set_span_in_context(span))
    assert otel_api.baggage_in(current) == {"tenant.id": "acme"}
    assert (otel_api.baggage_in(current) is otel_api.baggage_in(current)) is not hidden
    assert otel_api.span_in(current) is span
    assert otel_api.baggage_in(context.Context()) == {}


def test_provider_that_is_set_later_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(trace, "_set_tracer_provider", lambda *given, **_: asked.append(given[0]))
    then: list[int] = []
    assert otel_api.after_provider_is_set(lambda: then.append(len(asked)))
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    assert (asked, then) == ([provider], [1])
    monkeypatch.delattr(trace, "_set_tracer_provider")
    assert not otel_api.after_provider_is_set(lambda: then.append(0))


class _Word(str):
    """A text that says something else than it is."""

    def __str__(self) -> str:
        return "other"


_VALUES: tuple[dict[str, Any], ...] = (
    {
        "a": "text",
        "b": 1,
        "c": 1.5,
        "d": True,
        "gen_ai.response.finish_reasons": ["stop", "length"],
    },
    {"a": "text", "gen_ai.response.finish_reasons": ("stop", None)},
    {"gen_ai.response.finish_reasons": "stop"},
    {"a": "text", "e": ["stop", "length"], "f": ("stop",), "g": []},
    {"a": _Word("word"), "b": None, "c": [1, None], "d": {"x": 1}, "e": b"bytes", "f": object},
    {"start": "again", "a": 1},
    {str(n): n for n in range(20)},
    {"": 1, "a": "x" * 50},
)


@pytest.mark.parametrize("values", _VALUES)
@pytest.mark.parametrize(
    "limits",
    [
        SpanLimits(),
        SpanLimits(max_span_attributes=8),
        SpanLimits(max_span_attributes=0),
        SpanLimits(max_span_attribute_length=5),
    ],
)
def test_attributes_are_those_that_the_sdk_would_have_set(
    values: dict[str, Any], limits: SpanLimits
) -> None:
    def set_by(setter: Any) -> tuple[list[tuple[str, Any]], int]:
        span: Any = TracerProvider(span_limits=limits).get_tracer("x").start_span("chat")
        span.set_attributes({"start": "first", "other": 2})
        setter(span, values)
        span.end()
        return list(span.attributes.items()), span.dropped_attributes

    assert set_by(sdk_span.set_attributes) == set_by(lambda span, given: span.set_attributes(given))


def test_attributes_are_set_by_the_span_itself_where_it_is_none_of_the_sdk_or_has_ended() -> None:
    span = TracerProvider().get_tracer("x").start_span("chat")
    sdk_span.set_attributes(_Public(span), {"a": 1})
    span.end()
    sdk_span.set_attributes(span, {"b": 1})
    assert dict(getattr(span, "attributes")) == {"a": 1}  # noqa: B009 -- the API has no name for it
    sdk_span.set_attributes(trace.INVALID_SPAN, {"a": 1})
