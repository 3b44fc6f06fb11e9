"""The rows of instrumentations for JavaScript, and of Genkit, which has one dialect there and in Go."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.dialects import (
    anthropic,
    bedrock,
    claude_code,
    copilot,
    genkit,
    langsmith,
    openinference,
    openlit,
    openllmetry,
    semconv,
    vercel,
)
from otel_genai_cost.usage.instrumentations import families
from otel_genai_cost.usage.instrumentations.row import (
    NO_AUDIO,
    NO_WRITE,
    OUTSIDE,
    OUTSIDE_LOST,
    TOTALS,
    UNPROVEN,
    Row,
    of,
    rows,
)
from otel_genai_cost.usage.read import Facts

__all__ = ["JAVASCRIPT"]

_NO_WRITE_ALONE: Final = Facts(lost=("cache_write",))
_UNPROVEN_TOTALS: Final = TOTALS._replace(unproven=True)
_OPENLIT: Final = NO_AUDIO._replace(unproven=True)

JAVASCRIPT: Final = (
    Row(
        "@opentelemetry/instrumentation-openai",
        "0.22",
        families.OPENAI_V2,
        semconv.read,
        TOTALS,
        missing="reasoning, tier",
    ),
    Row(
        "@opentelemetry/instrumentation-aws-sdk",
        "0.79",
        families.AWS_SDK,
        bedrock.read_botocore,
        OUTSIDE_LOST,
        missing="tier, streams; the cache: estimated",
        wrong="by InvokeModel the tokens of Mistral and Cohere models are made up: untrusted",
    ),
    Row(
        "com.anthropic.sdk.typescript",
        "0.137",
        families.ANTHROPIC_SDK,
        anthropic.read,
        missing="output of streams that were left: estimated",
    ),
    *rows(
        "@traceloop/instrumentation-",
        "0.27",
        families.OPENLLMETRY,
        of(
            "",
            openllmetry.read,
            UNPROVEN,
            versions="",
            missing="OpenLLMetry for JavaScript, and with it Helicone's asynchronous logging",
        ),
        of(
            "openai",
            openllmetry.read_openai_javascript,
            TOTALS,
            missing="reasoning, tier, usage of streams, embeddings",
            wrong="with `enrichTokens` streams are counted by itself, and nothing distinguishes them: estimated",
        ),
        of(
            "langchain",
            openllmetry.read,
            TOTALS,
            missing="reasoning, tier, usage of Responses that do not stream, embeddings",
        ),
        of(
            "bedrock",
            openllmetry.read_bedrock,
            OUTSIDE_LOST,
            missing="Converse; the cache: estimated; region and vendor of the model, tier",
        ),
        of(
            "anthropic",
            openllmetry.read_anthropic_javascript,
            OUTSIDE,
            missing="response id, tier, lifetime of cache writes",
            wrong="a stream that broke has the first event's output, and whole ones look alike: estimated",
        ),
    ),
    *rows(
        "@arizeai/openinference-instrumentation-",
        "",
        families.OPENINFERENCE,
        of("", openinference.read, UNPROVEN),
        of(
            "openai",
            openinference.read,
            _NO_WRITE_ALONE,
            versions="4",
            missing="usage of streamed chats and of embeddings; response id, tier but for those in output.value",
        ),
        of(
            "langchain",
            openinference.read,
            NO_WRITE,
            versions="4",
            missing="response id, returned model, tier but the one asked for, embeddings",
        ),
        of(
            "anthropic",
            openinference.read,
            versions="0.2",
            missing="lifetime of cache writes; response id, tier of streams",
            wrong="a stream that was left has the first event's output: estimated",
        ),
    ),
    *rows(
        "@openlit/instrumentation-",
        "1",
        families.OPENLIT,
        of(
            "",
            openlit.read_javascript,
            _OPENLIT,
            missing="reasoning of chats",
            wrong="guesses where a stream brought no usage: untrusted, as is a stream without cached tokens",
        ),
        of(
            "anthropic",
            openlit.read_anthropic_javascript,
            OUTSIDE,
            missing="lifetime of cache writes, tier",
            wrong="streams count the first event's output again: estimated",
        ),
        of(
            "bedrock",
            openlit.read_javascript,
            _OPENLIT._replace(cache_outside=True),
            versions="",
            missing="lifetime of cache writes, tier",
        ),
        of(
            "cohere-ai",
            openlit.read_cohere,
            UNPROVEN,
            versions="",
            wrong="billed units instead of tokens: estimated",
        ),
        of(
            "google-ai",
            openlit.read_gemini,
            _OPENLIT,
            versions="",
            missing="what tools read, tier",
            wrong="output leaves thoughts out: added",
        ),
        of(
            "langchain",
            openlit.read_langchain_javascript,
            missing="reasoning, tier, response id, returned model",
            wrong="the input is a count of its own: untrusted",
        ),
    ),
    Row(
        "langsmith",
        "0.12",
        families.LANGSMITH,
        langsmith.read,
        _UNPROVEN_TOTALS,
        missing="streams and embeddings of OpenAI's client are not traced",
        wrong="a chain that returns a model's message repeats its usage: an aggregate",
    ),
    Row(
        "langsmith",
        "0.12",
        families.LANGSMITH,
        langsmith.read,
        TOTALS,
        provider="openai",
    ),
    Row(
        "genkit-tracer",
        "",
        families.GENKIT,
        genkit.read,
        _UNPROVEN_TOTALS,
        missing="returned model, response id, tier but where the provider's response is kept",
    ),
    Row(
        "genkit-tracer",
        "",
        families.GENKIT,
        genkit.read,
        TOTALS,
        provider="openai",
        missing="embeddings; in Go what streams read from the cache",
    ),
    Row(
        "com.anthropic.claude_code.tracing",
        "",
        families.CLAUDE_CODE,
        claude_code.read,
        OUTSIDE,
        missing="returned model, web searches; provider but by the model's id",
    ),
    *(
        Row(
            scope,
            "",
            families.COPILOT,
            copilot.read,
            missing="lifetime of cache writes",
            wrong="the agent's span sums up its calls: an aggregate",
        )
        for scope in ("github.copilot", "copilot-chat")
    ),
    Row(
        "ai",
        "",
        families.VERCEL_AI_6,
        vercel.read_v6,
        missing="audio",
        wrong="the outer span sums up its steps: an aggregate",
    ),
    Row(
        "gen_ai",
        "",
        families.VERCEL_AI_7,
        semconv.read,
        _NO_WRITE_ALONE,
        missing="reasoning, lifetime of cache writes, web searches, tier, call metadata",
        wrong="the agent's span sums up its steps: an aggregate",
    ),
)
