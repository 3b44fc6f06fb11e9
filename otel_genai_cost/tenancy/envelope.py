"""Tenants through queues: what a message carries, and what runs because of it.

A job's context is built from nothing but its envelope. A message without one is unattributed: the context around a
worker belongs to whoever came before.
"""

from __future__ import annotations

from collections.abc import Generator, MutableMapping
from contextlib import contextmanager

from opentelemetry import context, propagate
from opentelemetry.context import Context

from otel_genai_cost.tenancy.binding import attribution_of, bind, capture

__all__ = ["inject", "job"]


def inject(carrier: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """Add `traceparent`, `tracestate` and `baggage` to a message's headers; never overwrites, so that a retry keeps
    the tenant that it began with."""
    fresh: dict[str, str] = {}
    propagate.inject(fresh)
    for key, value in fresh.items():
        carrier.setdefault(key, value)
    return carrier


@contextmanager
def job(carrier: MutableMapping[str, str]) -> Generator[None, None, None]:
    """Run a job in the context of its message's headers, and in no other."""
    extracted = propagate.extract(carrier, context=Context())
    found = attribution_of(capture(extracted))
    if found.tenant is not None:
        extracted = bind(found._replace(source="envelope"), extracted)
    token = context.attach(extracted)
    try:
        yield
    finally:
        context.detach(token)
