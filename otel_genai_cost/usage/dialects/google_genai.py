"""`opentelemetry-instrumentation-google-genai`: the conventions, with tokens also counted by modality.

`gen_ai.usage.output_tokens` includes thoughts. Input leaves out what tools read (`toolUsePromptTokenCount`), and of the
calls that automatic function calling makes only the last is reported. Neither shows on the span, so all usage is a
lower bound.
"""

from __future__ import annotations

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import conventional
from otel_genai_cost.usage.counts import estimated
from otel_genai_cost.usage.read import Known, Reading, SpanView
from otel_genai_cost.usage.values import raw_of

__all__ = ["read"]


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    reading = conventional(span, known)
    if reading is None or reading.operation != "generate_content":
        return reading
    if reading.usage.quality != "reported":
        return reading
    usage = estimated(reading.usage)._replace(low=reading.usage.leaves)
    return reading._replace(usage=usage, raw=raw_of(span.attributes, (names.GEN_AI_USAGE_PREFIX,)))
