"""Tracer providers: the SDK's own, inside whatever a vendor has put around it, and our processor on it.

Private names of the SDK are looked up here and in `processor.py` alone; each may be gone.
"""

from __future__ import annotations

import gc
from typing import Any, Final

from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
)

from otel_genai_cost.metering.processor import CostSpanProcessor

__all__ = ["add", "exporters_of", "is_of_sdk", "processor_of", "tracers_of", "unwrapped"]

_MARK: Final = "_genai_cost_processor"
_INNER: Final = ("provider", "_provider", "_tracer_provider", "_delegate", "_real_provider")


def unwrapped(provider: Any) -> Any:
    """The SDK's provider inside a vendor's proxy."""
    for _ in range(5):
        if hasattr(provider, "sampler"):
            return provider
        inner = (getattr(provider, name, None) for name in _INNER)
        found = next((one for one in inner if one is not None and one is not provider), None)
        if found is None:
            return provider
        provider = found
    return provider


def is_of_sdk(provider: Any) -> bool:
    """Whether it is a tracer provider of the SDK."""
    return hasattr(provider, "add_span_processor") and hasattr(provider, "sampler")


def processor_of(provider: Any) -> CostSpanProcessor | None:
    """Our processor, if this provider of the SDK is metered."""
    found = getattr(provider, _MARK, None)
    return found if isinstance(found, CostSpanProcessor) else None


def add(provider: Any, tracers: list[Any], processor: CostSpanProcessor) -> None:
    """Add the processor so that it is called on the caller's thread: in those of a concurrent one, no context tells
    whose a span is and what is above it."""
    feeds = getattr(provider, "_active_span_processor", None)
    setattr(provider, _MARK, processor)
    if not isinstance(feeds, ConcurrentMultiSpanProcessor):
        provider.add_span_processor(processor)
        return
    both = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]
    both.add_span_processor(feeds)
    both.add_span_processor(processor)
    provider._active_span_processor = both
    for tracer in tracers:
        tracer.span_processor = both


def tracers_of(provider: Any) -> list[Any]:
    """The tracers it has made already: each keeps the sampler it was made with. SDK 1.40 has no list of them, and only
    the garbage collector knows."""
    listed = getattr(provider, "_tracers", None)
    if listed is not None:
        return [*listed.values()]
    feeds = getattr(provider, "_active_span_processor", None)
    return [one for one in gc.get_objects() if type(one) is Tracer and one.span_processor is feeds]


def exporters_of(provider: Any) -> tuple[str, ...]:
    """Who else gets the provider's spans: the exporters of its processors, or a processor that has none, by class."""
    found: list[str] = []
    waiting = [getattr(provider, "_active_span_processor", None)]
    while waiting:
        processor = waiting.pop()
        several = getattr(processor, "_span_processors", None)
        if several is not None:
            waiting.extend(several)
        elif processor is not None and not isinstance(processor, CostSpanProcessor):
            exporter = getattr(processor, "span_exporter", None)
            found.append(type(exporter or processor).__name__)
    return tuple(found)
