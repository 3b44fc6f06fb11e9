"""The OpenAI Agents SDK's traces, as Logfire writes them: calls, and turns and tasks that repeat or sum their usage."""

from __future__ import annotations

from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, spelled
from otel_genai_cost.usage.payload import Payload, payload_of, response_of
from otel_genai_cost.usage.read import PROVIDERS_OWN, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import json_object, word

__all__ = ["read"]

_USAGE: Final = "usage"
_RESPONSE: Final = "response"
_RESPONSE_ID: Final = "response_id"
_WHERE: Final = carriers(
    metadata=("metadata",), more={"agent_name": "agent", "group_id": "conversation"}
)


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says. A span with usage and without a model is a turn or a task."""
    attributes = span.attributes
    if names.GEN_AI_REQUEST_MODEL not in attributes:
        return _wrapper(span, known)
    payload = _payload(attributes)
    counts, facts = payload.counts, PROVIDERS_OWN
    if counts is NO_COUNTS:
        counts, facts = spelled(attributes, SPELLING), known.default
    reading = conventional(
        span,
        known,
        counts=counts,
        where=_WHERE,
        context=payload.context,
        facts=facts,
        raw=(_USAGE,),
    )
    if reading is None:
        return None
    return reading._replace(
        role="response",
        operation=reading.operation or "chat",
        response_id=word(attributes.get(_RESPONSE_ID)) or payload.response_id,
        provider_cost=payload.bill.by(reading.provider),
    )


def _payload(attributes: Attributes) -> Payload:
    """The response where it is there (it has the tier and the searches), else the SDK's usage of one call."""
    whole = response_of(json_object(attributes.get(_RESPONSE)))
    return (
        whole if whole.counts is not NO_COUNTS else payload_of(json_object(attributes.get(_USAGE)))
    )


def _wrapper(span: SpanView, known: Known) -> Reading | None:
    usage = json_object(span.attributes.get(_USAGE))
    counts = NO_COUNTS
    if usage:
        parts = {
            leaf: usage[key]
            for key, leaf in (
                ("cached_input_tokens", "cache_read"),
                ("cache_write_input_tokens", "cache_write"),
            )
            if usage.get(key) is not None
        }
        counts = Counts(usage.get("input_tokens"), usage.get("output_tokens"), parts)
    reading = conventional(span, known, counts=counts, where=_WHERE, raw=(_USAGE,))
    if reading is None:
        return None
    return reading._replace(role="aggregate" if usage else "context")
