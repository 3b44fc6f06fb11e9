"""THE path: a span becomes observations. Pure; the live processor, the collector hop and replay all run this."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.pricing.cost import NOT_BILLED, Cost, unpriced
from otel_genai_cost.pricing.rate import TariffSource, price
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.leaves import NO_USAGE
from otel_genai_cost.usage.read import Reading, SpanView
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["meter"]

_ERROR_REPLY: Final = re.compile(
    r"(.*\.)?(BadRequest|Authentication|PermissionDenied|NotFound|Conflict|UnprocessableEntity|RateLimit"
    r"|InternalServer|APIStatus|Overloaded|ServiceUnavailable)Error|[45]\d\d"
)
"""Errors that are the provider's own reply: it answered, and bills nothing. A time-out or a lost connection is none:
the provider may have done the work."""

_NO_CALL: Final = unpriced("missing_usage")


def meter(
    span: SpanView, book: TariffSource, attribute: Callable[[Reading], Attribution]
) -> tuple[Observation, ...]:
    """What an ended span tells: normally one observation, none if it is no LLM call and has no tenant.

    `attribute` says whom a reading was for.
    """
    dialect = dialect_of(span.scope_name, span.scope_version)
    reading = dialect.read(span)
    if reading is None:
        return ()
    start_us, end_us = span.start_ns // 1000, span.end_ns // 1000
    trace_id, span_id = span.trace_id, span.span_id
    return (
        Observation(
            observation_id(trace_id, span_id, start_us),
            f"{trace_id:032x}",
            f"{span_id:016x}",
            0,
            tuple([f"{ancestor:016x}" for ancestor in span.path]),
            start_us,
            end_us,
            span.origin,
            span.scope_name,
            span.scope_version,
            dialect.label,
            reading,
            _cost(reading, book, end_us),
            attribute(reading),
            span.sampled,
        ),
    )


def _cost(reading: Reading, book: TariffSource, at_us: int) -> Cost:
    """The price at the span's end, by the model that answered."""
    if reading.role == "context":
        return _NO_CALL
    if reading.usage is NO_USAGE and reading.error and _ERROR_REPLY.fullmatch(reading.error):
        return NOT_BILLED
    model = reading.model_returned or reading.model_requested
    return price(book, reading.provider, model, reading.usage, at_us, reading.context)
