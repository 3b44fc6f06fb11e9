"""The Mistral SDK's own spans: version 3 in the conventions' words, version 1 with names of its own and no streams."""

from __future__ import annotations

from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, estimated, spelled
from otel_genai_cost.usage.read import Known, Reading, SpanView
from otel_genai_cost.usage.values import raw_of

__all__ = ["read"]

_EMBEDDINGS: Final = "embeddings"


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says. Version 1 has no operation, and drops what was read from the cache."""
    attributes = span.attributes
    if names.GEN_AI_OPERATION_NAME in attributes:
        return conventional(span, known, provider="mistral_ai")
    counts = spelled(attributes, SPELLING)
    is_embedding = span.name.startswith(_EMBEDDINGS)
    reading = conventional(span, known, counts=counts, provider="mistral_ai")
    if reading is None or counts is NO_COUNTS:
        return reading
    reading = reading._replace(operation=_EMBEDDINGS if is_embedding else "chat")
    if is_embedding or reading.usage.quality != "reported":
        return reading
    return reading._replace(
        usage=estimated(reading.usage), raw=raw_of(attributes, ("gen_ai.usage.", "mistral_ai."))
    )
