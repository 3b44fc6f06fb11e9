"""The JavaScript instrumentations whose spans are understood: rows of the table in `instrumentations`."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.dialects import (
    anthropic,
    javascript,
    openinference,
    openllmetry,
    semconv,
)
from otel_genai_cost.usage.rows import NO_AUDIO, OUTSIDE, TOTALS, UNPROVEN, Row, row_of, rows

__all__ = ["JAVASCRIPT"]

JAVASCRIPT: Final = (
    Row(
        "com.anthropic.sdk.typescript",
        "all",
        "anthropic-sdk/1",
        anthropic.read,
        missing="web searches, speed; compaction is beside the totals: estimated",
    ),
    Row(
        "@opentelemetry/instrumentation-openai",
        "all",
        "semconv/1",
        semconv.read,
        TOTALS,
        missing="reasoning, tier; Responses are not traced",
    ),
    Row(
        "langsmith",
        "all",
        "langsmith/1",
        javascript.read_langsmith,
        missing="streams, embeddings",
    ),
    *rows(
        "@openlit/instrumentation-",
        "all",
        "openlit-js/1",
        row_of(
            "",
            javascript.read_openlit,
            NO_AUDIO,
            missing="reasoning",
            wrong="guesses where OpenAI's stream sent no usage: untrusted",
        ),
        row_of(
            "anthropic",
            javascript.read_openlit,
            OUTSIDE,
            missing="lifetime of cache writes",
            wrong="a stream counts the first event's output again: estimated",
        ),
        row_of(
            "langchain",
            javascript.read_openlit_langchain,
            wrong="the input is nobody's number: untrusted",
        ),
    ),
    Row(
        "@arizeai/openinference-instrumentation-",
        "all",
        "openinference/1",
        openinference.read,
        UNPROVEN,
        missing="response id, tier, embeddings; what output.value does not tell",
    ),
    *rows(
        "@traceloop/instrumentation-",
        "all",
        "openllmetry/1",
        row_of(
            "",
            openllmetry.read,
            UNPROVEN,
            missing="OpenLLMetry for JavaScript, and with it Helicone's asynchronous logging",
        ),
        row_of("openai", openllmetry.read, TOTALS, missing="streams, but for guesses; reasoning"),
        row_of("langchain", openllmetry.read, TOTALS, missing="reasoning, embeddings"),
        row_of(
            "anthropic",
            javascript.read_traceloop_anthropic,
            OUTSIDE,
            missing="lifetime of cache writes, streams",
            wrong="an answer that was not read to its end has the first event's output: estimated",
        ),
    ),
)
