"""The OpenTelemetry GenAI conventions as the official `genai-*` instrumentations write them, and as unknown ones might.

Sub-counts of zero are left out by the emitters, so an absent part is not reported.
"""

from __future__ import annotations

from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import READS, SPELLING, Conventional, conventional
from otel_genai_cost.usage.counts import Spelling
from otel_genai_cost.usage.read import Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.seen import WILD

__all__ = ["UNKNOWN_READS", "read", "read_unknown"]

UNKNOWN_READS: Final = READS | WILD.names()
_OF_A_CALL: Final = frozenset(
    {
        names.GEN_AI_OPERATION_NAME,
        names.GEN_AI_PROVIDER_NAME,
        names.GEN_AI_SYSTEM,
        names.GEN_AI_REQUEST_MODEL,
        names.GEN_AI_RESPONSE_MODEL,
    }
)


read: Final = Conventional()


def read_unknown(span: SpanView, known: Known) -> Reading | None:
    """What a span of an unknown instrumentation says, under whatever name it was seen to say it elsewhere. Only a span
    that describes a model's call in the conventions' words may have `input_tokens` without a prefix."""
    return conventional(span, known, spelling=_spelling(span.attributes))


def _spelling(attributes: Attributes) -> Spelling:
    return SPELLING if attributes.keys().isdisjoint(_OF_A_CALL) else WILD
