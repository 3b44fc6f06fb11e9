"""What a span keeps from its start to its end: what its context said of a tenant, and what stands above it.

A note holds neither a span nor a context, so that a chain of spans is not kept alive.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span

from otel_genai_cost.errors import guarded
from otel_genai_cost.metering.call_sites import call_site
from otel_genai_cost.otel_api import span_in
from otel_genai_cost.tenancy.binding import Captured, capture
from otel_genai_cost.tenancy.inbound import enter, inherit
from otel_genai_cost.usage.scopes import is_genai

__all__ = ["NO_NOTE", "Note", "note_of", "note_start"]

_PATH_LIMIT: Final = 64
_NOTE: Final = "_genai_cost_note"
_SHARED: Final = "_genai_cost_note_below"


class Note(NamedTuple):
    """What is noted of a span that starts.

    Attributes:
        captured: What its context said of a tenant, None if nothing.
        path: The ids of the spans above it, nearest first, at most 64.
        call_site: The place in the code of a call whose tenant did not hold any more.
    """

    captured: Captured | None
    path: tuple[int, ...]
    call_site: str | None


NO_NOTE: Final = Note(None, (), None)
"""Of a span that starts without a context."""


def note_of(span: object) -> Note:
    """What was noted when a span started."""
    found: Note = getattr(span, _NOTE, NO_NOTE)
    return found


@guarded("processor.on_start", default=None)
def note_start(span: Span, current: Context) -> None:
    """Note what there is to a span that starts, if there is anything. Called for nearly every span.

    Spans below the same one share their note: made once for all, it costs a third.

    Args:
        span: The span.
        current: The context that it starts in.
    """
    over, parent = span_in(current), span.parent
    shared: Note = getattr(over, _SHARED, NO_NOTE)  # only a span of this process has one
    if shared is NO_NOTE and (parent is None or parent.is_remote):
        scope = span.instrumentation_scope
        name = scope.name if scope is not None else ""
        inbound = enter(current, span.kind, span, name, is_below=parent is not None)
    else:
        inbound = inherit(current, span, over)
    captured = capture(current, span.start_time, inbound, shared.captured)
    if shared is not NO_NOTE and captured is shared.captured:
        setattr(span, _NOTE, shared)
        return
    if parent is not None or captured is not None:
        is_stale = captured is not None and captured.is_stale
        path = () if parent is None else _path(parent.span_id, note_of(over).path)
        note = Note(captured, path, _call_site(span) if is_stale else None)
        setattr(span, _NOTE, note)
        if isinstance(over, Span) and not is_stale:  # another's span may take no marks
            setattr(over, _SHARED, note)


def _path(parent_id: int, above: tuple[int, ...]) -> tuple[int, ...]:
    return (parent_id, *above[: _PATH_LIMIT - 1])


def _call_site(span: Span) -> str | None:
    return call_site() if is_genai(span.name, span.attributes) else None
