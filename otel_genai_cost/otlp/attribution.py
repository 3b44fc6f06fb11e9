"""Whom a span on the wire was for: nothing is left of its context but what the span and its resource say."""

from __future__ import annotations

from collections.abc import Callable

from otel_genai_cost import attributes as names
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of
from otel_genai_cost.usage.read import Reading

__all__ = ["attribution_on"]


def attribution_on(span: WireSpan, span_tenant: str) -> Callable[[Reading], Attribution]:
    """What says whom a reading of this span was for.

    Args:
        span: The span.
        span_tenant: The attribute that names a tenant; without it, what the span's dialect takes for one.
    """

    def attribute(reading: Reading) -> Attribution:
        named = span.attributes.get(span_tenant)
        tenant = reading.tenant if named is None else named
        return attribution_of(None, tenant, reading.labels, span.resource.get(names.TENANT_ID))

    return attribute
