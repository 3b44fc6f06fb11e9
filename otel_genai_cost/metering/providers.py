"""Tracer providers: the SDK's own, inside whatever a vendor has put around it, and our processor on it."""

from __future__ import annotations

import logging
from typing import Any, Final

from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SynchronousMultiSpanProcessor

from otel_genai_cost.metering.processor import CostSpanProcessor
from otel_genai_cost.metering.sdk_span import (
    call_at_ending,
    parts_of,
    set_span_processor,
    span_processor_of,
)

__all__ = ["add", "exporters_of", "is_of_sdk", "processor_of", "unwrapped"]

_logger = logging.getLogger("otel_genai_cost")

_MARK: Final = "_genai_cost_processor"
_INNER: Final = ("provider", "_provider", "_tracer_provider", "_delegate", "_real_provider")
"""Where vendors' proxies keep the provider that they stand for."""

_DEPTH_MAX: Final = 5


def unwrapped(provider: Any) -> Any:
    """The SDK's provider inside a vendor's proxy; the innermost there is if it holds none."""
    for _ in range(_DEPTH_MAX):
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


def add(provider: Any, processor: CostSpanProcessor) -> None:
    """Add our processor to a provider of the SDK, so that it is called on the caller's thread: in those of a concurrent
    one, no context says whose a span is and what is above it.

    Args:
        provider: A provider of the SDK that is not metered yet.
        processor: Ours.
    """
    feeds = span_processor_of(provider)
    setattr(provider, _MARK, processor)
    if isinstance(feeds, ConcurrentMultiSpanProcessor):
        both = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]
        both.add_span_processor(feeds)
        both.add_span_processor(processor)
        set_span_processor(provider, both)
    else:
        provider.add_span_processor(processor)
    if not call_at_ending(provider, processor):
        _logger.error(
            "this OpenTelemetry SDK does not call span processors before a span ends: no call is metered; "
            "install a version of opentelemetry-sdk that this version of otel-genai-cost supports"
        )


def exporters_of(provider: Any) -> tuple[str, ...]:
    """Who else gets a provider's spans.

    Returns:
        The classes of its processors' exporters, and of processors that have none; empty if that cannot be known.
    """
    found: list[str] = []
    waiting = [span_processor_of(provider)]
    while waiting:
        processor = waiting.pop()
        parts = parts_of(processor)
        if parts is not None:
            waiting.extend(parts)
        elif processor is not None and not isinstance(processor, CostSpanProcessor):
            exporter = getattr(processor, "span_exporter", None)
            found.append(type(exporter or processor).__name__)
    return tuple(found)
