"""The only file that knows private names of the OpenTelemetry SDK; those of its API stand in `otel_api.py`.

Each is looked up when it is needed and may be gone; what then takes its place stands beside it. A name stays if nothing
public does what it does, or if it saves 2 µs of a call or 2 % of any span.

`SpanProcessor._on_ending`, a hook, from SDK 1.40 on
    Buys attributes before any exporter sees the span. Without it the next is asked.
`Span._readable_span`, `Span._span_processor`, before SDK 1.40
    Buy that hook where there is none: a span that ends makes a copy of itself for its processors. Without them nothing
    is metered, and one ERROR line says so.
`Span._attributes._dict`
    Buys 2.4 µs of every span that ends and 15 µs of a call, and, written to, attributes on a span that SDK 1.43 freezes
    as it ends, and a sixteenth of what a call of `anthropic` takes (`set_attributes`). Without it `Span.attributes` is
    read, and what a call cost is in the journal alone.
`Span._attributes.maxlen`, `.dropped`, `.max_value_len` (not private, but on a private object)
    Buy that the span's limit on attributes is kept, and half a name not taken for another's.
`TracerProvider._active_span_processor`
    Buys that our hooks run on the caller's thread, and who else gets spans. Without it they run where the others do.
`SynchronousMultiSpanProcessor._span_processors`, and of the concurrent one
    Buys who else gets spans. Without it that is not known.
`TracerProvider._tracers`, from SDK 1.41 on
    Buys that tracers made before us get our sampler. Without it the garbage collector is asked.
`ParentBased._root` and its four siblings
    Buy 0.5 µs, 2 % of any span whose sampler drops nothing. Without them the sampler is wrapped as a whole.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import Span, SpanProcessor, Tracer
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.read import Attributes

__all__ = [
    "attributes_of",
    "call_at_ending",
    "delegates_of",
    "parts_of",
    "set_attributes",
    "set_span_processor",
    "span_processor_of",
    "text_limit_of",
    "tracers_of",
    "write",
]

_DELEGATES: Final = (
    "_root",
    "_remote_parent_sampled",
    "_remote_parent_not_sampled",
    "_local_parent_sampled",
    "_local_parent_not_sampled",
)
"""Whom a sampler that goes by the parent asks, in the order in which its constructor takes them."""


_HOOK: Final = "_genai_cost_at_ending"
_HAS_ENDED: Final = "_genai_cost_has_ended"
_SCALARS: Final = frozenset({str, int, bool, float})
_ARRAYS: Final = frozenset({list, tuple})
_REASONS: Final = names.GEN_AI_RESPONSE_FINISH_REASONS


def call_at_ending(provider: Any, processor: Any) -> bool:
    """Let a provider's spans call a processor's hook before they end, and so before they are exported, where the SDK
    does not do so by itself.

    Args:
        provider: A provider of the SDK.
        processor: One of its processors, whose hook must not raise.

    Returns:
        False if this SDK has neither the hook nor what it can be made of.
    """
    if hasattr(SpanProcessor, "_on_ending"):
        return True
    feeds: Any = span_processor_of(provider)
    if feeds is None or not hasattr(Span, "_readable_span"):
        return False
    setattr(feeds, _HOOK, processor._on_ending)
    if getattr(Span, _HOOK, None) is None:
        _hook_into_span()
    return True


def _hook_into_span() -> None:
    """A span that ends makes a copy of itself for its processors, once, after it has its end: by then it is called."""
    original: Any = getattr(Span, "_readable_span")  # noqa: B009 -- not in every version

    def _readable_span(span: Any) -> Any:
        hook = getattr(getattr(span, "_span_processor", None), _HOOK, None)
        if hook is not None and span.end_time is not None and not hasattr(span, _HAS_ENDED):
            setattr(span, _HAS_ENDED, True)
            hook(span)
        return original(span)

    setattr(Span, _HOOK, original)
    setattr(Span, "_readable_span", _readable_span)  # noqa: B010 -- private, and ours to put back


def attributes_of(span: Any) -> Attributes:
    """A span's attributes, not to be changed. Called for every span."""
    try:
        found: Attributes = span._attributes._dict
    except AttributeError:
        found = span.attributes or {}
    return found


def text_limit_of(span: Any) -> int | None:
    """To how many characters a span's texts are cut; None if they are not."""
    limit: int | None = getattr(getattr(span, "_attributes", None), "max_value_len", None)
    return limit


def set_attributes(span: Any, values: Mapping[str, Any]) -> None:
    """`Span.set_attributes`, at a sixth of its price where there is nothing to clean, to cut or to make room for.

    Args:
        span: Any span; one that is not of the SDK, or has ended, does what it does itself.
        values: The attributes.
    """
    bounded: Any = getattr(span, "_attributes", None)
    inner: Any = getattr(bounded, "_dict", None)
    if inner is not None and bounded.max_value_len is None:
        clean, room = _clean(values), bounded.maxlen
        if (
            clean is not None
            and (room is None or len(inner) + len(clean) <= room)
            and inner.keys().isdisjoint(clean)
            and span.is_recording()
        ):
            inner.update(clean)  # one operation, whoever reads them meanwhile
            return
    span.set_attributes(values)


def _clean(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Attributes as the SDK would keep them; None if it has to look at one itself. Nearly every call has one array."""
    clean = dict(values)
    reasons = clean.pop(_REASONS, None)
    if not _SCALARS.issuperset(map(type, clean.values())) or "" in clean:
        return None
    if reasons is not None:
        if type(reasons) not in _ARRAYS or not _SCALARS.issuperset(map(type, reasons)):
            return None
        clean[_REASONS] = tuple(reasons)
    return clean


def write(span: Any, values: Mapping[str, Any], without: str | None = None) -> None:
    """Put attributes on an ending span, as far as this SDK lets us: behind the freeze, and within the span's limits.

    Args:
        span: A span that is ending, or that still records.
        values: The attributes; one that is there already is replaced.
        without: An attribute to take away first.
    """
    bounded: Any = getattr(span, "_attributes", None)
    inner: Any = getattr(bounded, "_dict", None)
    if without is not None and inner is not None:
        inner.pop(without, None)
    if span.is_recording():  # an SDK that lets a span be written while it ends, as it should
        span.set_attributes(values)
    elif inner is not None:
        if bounded.maxlen is None or len(inner) + len(values) <= bounded.maxlen:
            inner.update(values)
        else:
            _evict_for(bounded, inner, values)


def _evict_for(bounded: Any, inner: dict[str, Any], values: Mapping[str, Any]) -> None:
    """The span has no room: the oldest attributes go and count as dropped, as the SDK does it. Not by the SDK, which
    would also cut values to a limit of their length: half a total is another total."""
    for key, value in values.items():
        inner.pop(key, None)
        if len(inner) >= bounded.maxlen:
            bounded.dropped += 1
            if not inner:  # a limit of 0
                continue
            del inner[next(iter(inner))]
        inner[key] = value


def span_processor_of(provider: Any) -> Any:
    """What a provider feeds its spans to; None if that cannot be known."""
    return getattr(provider, "_active_span_processor", None)


def set_span_processor(provider: Any, processor: SpanProcessor) -> None:
    """Let a provider, and the tracers that it has made, feed its spans to another processor."""
    tracers = tracers_of(provider)
    provider._active_span_processor = processor
    for tracer in tracers:
        tracer.span_processor = processor


def parts_of(processor: Any) -> tuple[Any, ...] | None:
    """The processors that one passes spans on to; None if it is a single one."""
    found: tuple[Any, ...] | None = getattr(processor, "_span_processors", None)
    return found


def tracers_of(provider: Any) -> list[Any]:
    """The tracers that a provider has made already: each keeps the sampler and processor it was made with. SDKs before
    1.41 have no list of them, and only the garbage collector knows."""
    listed = getattr(provider, "_tracers", None)
    if listed is not None:
        return [*listed.values()]
    feeds = span_processor_of(provider)
    return [one for one in gc.get_objects() if type(one) is Tracer and one.span_processor is feeds]


def delegates_of(sampler: Sampler) -> tuple[Sampler, ...] | None:
    """Whom a sampler that goes by the parent asks, in its constructor's order; None if it is another sampler."""
    if type(sampler).should_sample is not ParentBased.should_sample:
        return None
    found = [getattr(sampler, name, None) for name in _DELEGATES]
    samplers = tuple(each for each in found if isinstance(each, Sampler))
    return samplers if len(samplers) == len(_DELEGATES) else None
