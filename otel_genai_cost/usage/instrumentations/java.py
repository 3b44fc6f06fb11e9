"""The rows of instrumentations for Java: OpenTelemetry's own, as libraries or in its agent."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.dialects import bedrock, semconv
from otel_genai_cost.usage.instrumentations import families
from otel_genai_cost.usage.instrumentations.row import OUTSIDE_LOST, TOTALS, Row

__all__ = ["JAVA"]

JAVA: Final = (
    Row(
        "io.opentelemetry.openai-java-1.1",
        "2.31",
        families.OPENAI_V2,
        semconv.read,
        TOTALS,
        missing="the cache: estimated; reasoning, tier; Responses are not traced",
    ),
    Row(
        "io.opentelemetry.aws-sdk-2.2",
        "2.31",
        families.AWS_SDK,
        bedrock.read_botocore,
        OUTSIDE_LOST,
        missing="tier; the cache: estimated",
    ),
)
