"""Tenants through queues: what a message carries, and what runs because of it.

A job's context is built from nothing but its envelope. A message without one is unattributed: the context around a
worker belongs to whoever came before.
"""

from __future__ import annotations

from collections.abc import Generator, MutableMapping
from contextlib import contextmanager

from opentelemetry import context, propagate
from opentelemetry.context import Context

from otel_genai_cost.tenancy.binding import attribution_of, bound, capture, without_reserved
from otel_genai_cost.tenancy.inbound import came_in

__all__ = ["inject", "job"]


def inject(carrier: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """Add `traceparent`, `tracestate` and `baggage` to a message's headers; never overwrites, so that a retry keeps
    the tenant that it began with. A context that outlived its request gives the message no tenant."""
    fresh: dict[str, str] = {}
    captured = capture(None)
    is_stale = captured is not None and captured.is_stale
    propagate.inject(fresh, without_reserved(context.get_current()) if is_stale else None)
    for key, value in fresh.items():
        carrier.setdefault(key, value)
    return carrier


@contextmanager
def job(carrier: MutableMapping[str, str]) -> Generator[None, None, None]:
    """Run a job in the context of its message's headers, and in no other."""
    extracted = came_in(propagate.extract(carrier, context=Context()), "message")
    found = attribution_of(capture(extracted))
    token = context.attach(extracted)
    try:
        if found.tenant is None:
            yield
        else:
            with bound(found._replace(source="envelope")):
                yield
    finally:
        context.detach(token)
