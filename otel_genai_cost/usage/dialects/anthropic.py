"""The Anthropic SDK's own spans: what Anthropic said, both cache lifetimes and the tier included.

Compaction is billed besides the totals, and the span of the free `count_tokens` has no operation.
"""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, estimated, spelled
from otel_genai_cost.usage.payload import split_write
from otel_genai_cost.usage.read import NOTHING, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import raw_of, word

__all__ = ["read"]

_LIFETIME: Final = "anthropic.usage.cache_creation.ephemeral_{}_input_tokens"
_COMPACTION: Final = "anthropic.usage.compaction.input_tokens"
_TIER: Final = "anthropic.response.service_tier"
_RESENDS: Final = "http.request.resend_count"


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says; None for a call that costs nothing."""
    attributes = span.attributes
    if names.GEN_AI_OPERATION_NAME not in attributes:
        return None
    counts = spelled(attributes, SPELLING)
    if counts is not NO_COUNTS:
        parts: dict[str, Any] = dict(counts.parts)
        split_write(
            parts, attributes.get(_LIFETIME.format("5m")), attributes.get(_LIFETIME.format("1h"))
        )
        counts = counts._replace(parts=parts)
    reading = conventional(span, known, counts=counts, context=_context(attributes))
    if reading is None:
        return None
    if attributes.get(_COMPACTION):
        reading = reading._replace(
            usage=estimated(reading.usage),
            raw=raw_of(attributes, ("gen_ai.usage.", "anthropic.usage.")),
        )
    resends = attributes.get(_RESENDS)
    return (
        reading._replace(attempts=resends + 1)
        if type(resends) is int and 0 < resends < 100
        else reading
    )


def _context(attributes: Attributes) -> Any:
    tier = word(attributes.get(_TIER))
    if tier is None:
        return NOTHING
    return {"batch": True} if tier == "batch" else {"service_tier": tier}
