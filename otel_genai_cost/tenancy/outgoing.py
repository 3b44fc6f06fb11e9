"""What of a context goes on to other services, in our name: nothing that is not believed here."""

from __future__ import annotations

from opentelemetry import baggage, context
from opentelemetry.context import Context

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.binding import capture, is_unvouched, vouched_key
from otel_genai_cost.tenancy.entries import RESERVED

__all__ = ["sent"]


@guarded("tenancy.inject", default=None)
def sent(given: Context | None) -> Context | None:
    """The context without the tenant of somebody who is not believed here, who would be further on: a message's
    baggage is believed. None if all may go."""
    current = context.get_current() if given is None else given
    captured = capture(current)
    if captured is None or not captured.entries:
        return None
    kept = captured.entries
    if captured.is_stale:
        kept = {}
    elif captured.inbound is not None and is_unvouched(captured):
        kept = captured.inbound.set_here(captured.entries, vouched_key())
    left = current
    for key in captured.entries:
        if key.startswith(RESERVED) and key not in kept:
            left = baggage.remove_baggage(key, left)
    return left
