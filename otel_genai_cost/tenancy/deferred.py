"""Work that is asked for in one place and done in another, such as a coroutine that is awaited later, or a lazy stream
that is read after its block: it is for whom it was asked for, where that was said; else for whom it is done."""

from __future__ import annotations

from opentelemetry import baggage
from opentelemetry.context import Context

from otel_genai_cost.errors import guarded
from otel_genai_cost.otel_api import current_context
from otel_genai_cost.tenancy.binding import Captured, capture, held_at, rebound, without_reserved
from otel_genai_cost.tenancy.entries import RESERVED

__all__ = ["carried"]


def carried(asked_in: Context, asked_s: float) -> Context | None:
    """The current context, for whom something was asked for that is done now.

    Args:
        asked_in: The context that it was asked for in.
        asked_s: When, by the monotonic clock.

    Returns:
        None if the current context will do: nearly always it is the same.
    """
    here = current_context()
    return None if here is asked_in else _carried(asked_in, asked_s, here)


@guarded("tenancy.deferred", default=None)
def _carried(asked_in: Context, asked_s: float, here: Context) -> Context | None:
    then, now = _captured_then(asked_in, asked_s), capture(here)
    if then is None or not _names_somebody(then) or _say_the_same(then, now):
        return None
    onto = without_reserved(here)
    for key, value in then.entries.items():
        if key.startswith(RESERVED):
            onto = baggage.set_baggage(key, value, onto)
    if then.binding is None:
        return onto
    return rebound(then.binding, onto, is_over=then.is_stale)


def _captured_then(asked_in: Context, asked_s: float) -> Captured | None:
    """What was captured where it was asked for: that its block has ended since takes nothing from it."""
    then = capture(asked_in)
    if then is None or then.binding is None:
        return then
    return then._replace(is_stale=not held_at(then.binding, asked_s))


def _names_somebody(captured: Captured) -> bool:
    """Whether code of this process said for whom: baggage that came in may not be believed elsewhere."""
    if captured.binding is not None:
        return True
    return captured.inbound is None and any(key.startswith(RESERVED) for key in captured.entries)


def _say_the_same(then: Captured, now: Captured | None) -> bool:
    return now is not None and (
        now.binding is then.binding
        and now.entries == then.entries
        and now.is_stale is then.is_stale
    )
