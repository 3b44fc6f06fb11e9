"""What of a context goes on to other services, in our name: nothing that is not believed here, the tenant first."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import baggage, context
from opentelemetry.context import Context

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy import trust
from otel_genai_cost.tenancy.binding import (
    TENANT_KEY,
    Captured,
    capture,
    is_protected,
    is_unvouched,
    vouched_key,
)
from otel_genai_cost.tenancy.entries import RESERVED
from otel_genai_cost.tenancy.refusals import refuse

__all__ = ["sent"]


@guarded("tenancy.inject", default=None)
def sent(given: Context | None) -> Context | None:
    """The context as it may go. Without the tenant of somebody who is not believed here, who would be further on: a
    message's baggage is believed. What is ours stands before all else, since others drop what comes last of a header
    that is full. None if it may go as it is.

    Args:
        given: The context; None for the current one.
    """
    current = context.get_current() if given is None else given
    captured = capture(current)
    if captured is None or not captured.entries:
        return None
    order = _in_order(captured, _believed(captured))
    entries = {name: captured.entries[name] for name in order}
    going = trust.fitting(entries, lambda: refuse("baggage_full"))
    if going == [*captured.entries]:
        return None
    left = baggage.clear(current)
    for name in going:
        left = baggage.set_baggage(name, entries[name], left)
    return left


def _in_order(captured: Captured, believed: Mapping[str, object]) -> list[str]:
    """The names of what goes: the tenant, what else is ours, other people's."""
    tenants: list[str] = []
    ours: list[str] = []
    others: list[str] = []
    for name in captured.entries:
        if is_protected(name):
            if name in believed or not name.startswith(RESERVED):
                (tenants if name == TENANT_KEY else ours).append(name)
        elif not trust.is_forwarding_limited() or trust.may_go(name):
            others.append(name)
    return tenants + ours + others


def _believed(captured: Captured) -> Mapping[str, object]:
    if captured.is_stale:
        return {}
    if captured.inbound is not None and is_unvouched(captured):
        return captured.inbound.set_here(captured.entries, vouched_key())
    return captured.entries
