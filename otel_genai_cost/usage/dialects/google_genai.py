"""`opentelemetry-instrumentation-google-genai`: the conventions, with tokens also told by modality.

`gen_ai.usage.output_tokens` includes thoughts. Input leaves out what tools read (`toolUsePromptTokenCount`), and of the
calls that automatic function calling makes only the last is told; neither shows on the span.
"""

from __future__ import annotations

from otel_genai_cost.usage.conventions import conventional
from otel_genai_cost.usage.read import Known, Reading, SpanView

__all__ = ["read"]


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    return conventional(span, known)
