"""The OpenTelemetry GenAI conventions as the official `genai-*` instrumentations write them, and as unknown ones might.

Sub-counts of zero are left out by the emitters, so an absent part is not reported.
"""

from __future__ import annotations

from otel_genai_cost.usage.conventions import conventional
from otel_genai_cost.usage.read import Known, Reading, SpanView

__all__ = ["read"]


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says; None if it is no LLM call and carries neither usage nor a tenant."""
    return conventional(span, known)
