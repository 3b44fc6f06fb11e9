"""A span of the SDK as the meter sees it."""

from __future__ import annotations

from math import isfinite
from typing import Final, NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.trace import Span

from otel_genai_cost.metering.sdk_span import text_limit_of
from otel_genai_cost.usage.read import Attributes, Origin
from otel_genai_cost.wide_rows import wide_row

__all__ = ["EndedSpan", "view_of", "whole_ns", "whole_texts"]

_ERROR: Final = trace.StatusCode.ERROR
_SAMPLED: Final = int(trace.TraceFlags.SAMPLED)


class EndedSpan(NamedTuple):
    """A `SpanView` of a span of the SDK; it has a start and an end, also where the span has only begun."""

    name: str
    scope_name: str
    scope_version: str
    attributes: Attributes
    trace_id: int
    span_id: int
    path: tuple[int, ...]
    start_ns: int
    end_ns: int
    is_error: bool
    sampled: bool
    origin: Origin

    @property
    def threshold(self) -> None:
        """None: our sampler lets us see what others drop."""
        return None


def view_of(
    span: Span, attributes: Attributes, path: tuple[int, ...], origin: Origin, end_ns: int
) -> EndedSpan:
    """The view of a span.

    Args:
        span: The span.
        attributes: What of its attributes is to be read.
        path: The ids of the spans above it, nearest first.
        origin: Where it came from.
        end_ns: When it ended, in unix nanoseconds; of one that has only begun, its start.
    """
    ids = span.get_span_context()
    scope = span.instrumentation_scope
    view: EndedSpan = wide_row(
        EndedSpan,
        (
            span.name,
            scope.name if scope is not None else "",
            (scope.version or "") if scope is not None else "",
            attributes,
            ids.trace_id,
            ids.span_id,
            path,
            whole_ns(span.start_time),
            end_ns,
            span.status.status_code is _ERROR,
            ids.trace_flags & _SAMPLED != 0,
            origin,
        ),
    )
    return view


def whole_texts(span: Span, attributes: Attributes) -> Attributes:
    """A span's attributes without texts that a limit on their length may have cut: half a model's or a tenant's name is
    the name of another."""
    limit = text_limit_of(span)
    if limit is None:
        return attributes
    return {
        key: value
        for key, value in attributes.items()
        if not (isinstance(value, str) and len(value) >= limit)
    }


def whole_ns(time_ns: object) -> int:
    """A time that an application may have set itself, and not as an int; 0 for what is no time."""
    if type(time_ns) is int:
        return time_ns
    return int(time_ns) if isinstance(time_ns, (int, float)) and isfinite(time_ns) else 0
