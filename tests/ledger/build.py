"""Observations as the meter makes them, for the ledger's tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.pricing.cost import NOT_BILLED
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.leaves import NO_USAGE, partition
from otel_genai_cost.usage.read import Origin, Reading
from otel_genai_cost.vocabulary import AttributionSource, Role

BOOK: Final = load_book()
START_US: Final = 1_795_000_000_000_000
SECOND_US: Final = 1_000_000


def observe(
    span: int,
    *,
    trace: int = 1,
    above: tuple[int, ...] = (),
    start_s: int = 0,
    end_s: int = 1,
    tokens: tuple[int, int] | None = (1_000, 100),
    parts: Mapping[str, int] | None = None,
    scope: str = "client",
    process: str = "p1",
    role: Role = "response",
    model: str | None = "gpt-4o-2024-08-06",
    response_id: str | None = None,
    attribution: Attribution | None = None,
    error: str | None = None,
    batch: bool = False,
) -> Observation:
    """An observation of the span `span` of the trace `trace`, priced with the wheel's book; an error is not billed."""
    usage = NO_USAGE if tokens is None else partition(*tokens, parts or {})
    start_us, end_us = START_US + start_s * SECOND_US, START_US + end_s * SECOND_US
    context = {"batch": True} if batch else {}
    reading = Reading(
        role=role,
        operation="chat",
        provider="openai",
        model_requested="gpt-4o",
        model_returned=model,
        response_id=response_id,
        usage=usage,
        context=context,
        error=error,
    )
    return Observation(
        id=observation_id(trace, span, start_us),
        trace_id=f"{trace:032x}",
        span_id=f"{span:016x}",
        ordinal=0,
        path=tuple(f"{one:016x}" for one in above),
        start_us=start_us,
        end_us=end_us,
        origin=Origin("shop", "test", "host", None, process),
        scope=scope,
        scope_version="1.0",
        dialect="semconv/1",
        reading=reading,
        cost=NOT_BILLED if error else price(BOOK, "openai", model, usage, end_us, context),
        attribution=attribution or Attribution("acme", "edge", None),
    )


def tenant(name: str | None, source: AttributionSource = "edge", **labels: Any) -> Attribution:
    """An attribution; without a name it is `missing`."""
    if name is None:
        return Attribution(labels=labels)
    return Attribution(name, source, None, "user", labels)
