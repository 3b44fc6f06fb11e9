"""The rows for Python of those who publish an instrumentation a library: OpenLLMetry, OpenInference, OpenLIT."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.dialects import openinference, openlit, openllmetry
from otel_genai_cost.usage.instrumentations import families
from otel_genai_cost.usage.instrumentations.row import (
    NO_AUDIO,
    NO_WRITE,
    OUTSIDE,
    OUTSIDE_LOST,
    TOTALS,
    UNPROVEN,
    WRITE_UNKNOWN,
    of,
    rows,
)
from otel_genai_cost.usage.read import Facts

__all__ = ["PYTHON_PUBLISHERS"]

_READ_UNKNOWN: Final = Facts(lost=("cache_read",), unproven=True)
_OTHERS: Final = ("agno", "alephalpha", "crewai", "haystack", "replicate", "sagemaker", "together")
_OTEL: Final = "opentelemetry.instrumentation."

PYTHON_PUBLISHERS: Final = (
    *rows(
        _OTEL,
        "0.62",
        families.OPENLLMETRY,
        of(
            "openai.v1",
            openllmetry.read,
            TOTALS,
            versions="0.33 .. 0.38",
            missing="reasoning, Responses, usage of streams",
        ),
        of(
            "openai.v1",
            openllmetry.read,
            NO_WRITE,
            versions="0.40 .. 0.62",
            missing="reasoning of streamed chats, web searches, images, transcription",
        ),
        of(
            "anthropic",
            openllmetry.read_anthropic,
            versions="0.33 .. 0.62",
            missing="reasoning, web searches, tier, speed, lifetime of cache writes",
            wrong="streams count the first event's output again: estimated",
        ),
        of(
            "bedrock",
            openllmetry.read_bedrock,
            OUTSIDE_LOST,
            versions="0.40 .. 0.61",
            missing="the cache: estimated; region and vendor of the model, tier; InvokeModel of Mistral, embeddings",
        ),
        of(
            "bedrock",
            openllmetry.read_bedrock,
            OUTSIDE,
            versions="0.62",
            missing="region and vendor of the model, tier; InvokeModel of Mistral, embeddings",
            wrong="InvokeModel's streams lose the cache: estimated, as is what looks like one",
        ),
        of(
            "google_generativeai",
            openllmetry.read_gemini,
            NO_AUDIO,
            versions="0.21",
            missing="tier, embeddings",
            wrong="output leaves thoughts out, input what tools read; the total has both: estimated",
        ),
        of("vertexai", openllmetry.read_gemini, UNPROVEN, versions=""),
        of(
            "cohere",
            openllmetry.read_cohere,
            TOTALS,
            wrong="billed units instead of tokens: estimated",
        ),
        of("mistralai", openllmetry.read),
        of("ollama", openllmetry.read, missing="embeddings"),
        of("groq", openllmetry.read, missing="reasoning, tier"),
        of(
            "langchain",
            openllmetry.read,
            NO_AUDIO,
            versions="0.40 .. 0.62",
            missing="reasoning, tier, web searches, embeddings",
        ),
        of(
            "langchain",
            openllmetry.read,
            WRITE_UNKNOWN,
            versions="0.40 .. 0.62",
            provider="anthropic",
            wrong="0 where tokens were written to the cache: estimated",
        ),
        of("llamaindex", openllmetry.read, missing="all usage"),
        of("openai_agents", openllmetry.read, NO_WRITE, missing="all usage of Chat Completions"),
        of(
            "litellm",
            openllmetry.read_litellm,
            NO_WRITE,
            missing="reasoning, tier, web searches; responses() is not traced",
            wrong="Gemini's input leaves out what tools read; the total has it: estimated",
        ),
        *(of(name, openllmetry.read, UNPROVEN, versions="") for name in _OTHERS),
    ),
    *rows(
        "openinference.instrumentation.",
        "",
        families.OPENINFERENCE,
        of(
            "",
            openinference.read,
            UNPROVEN,
            missing="response id, tier, web searches but for those in output.value",
        ),
        of(
            "openai",
            openinference.read,
            TOTALS,
            versions="0.1.18",
            missing="the parts of the totals but in output.value: estimated",
        ),
        of("openai", openinference.read, versions="0.1.24 .. 0.1"),
        of(
            "anthropic",
            openinference.read,
            Facts(lost=("cache_read", "cache_write")),
            versions="0.1.16 .. 0.1",
            missing="the cache of streams but in output.value: estimated",
            wrong="streams that were left have partial output: estimated",
        ),
        of(
            "anthropic",
            openinference.read,
            versions="2.1 .. 3",
            wrong="streams that were left have partial output: estimated",
        ),
        of(
            "google_genai",
            openinference.read,
            versions="1",
            wrong="streams that were left have partial output: estimated",
        ),
        of("groq", openinference.read, versions="0.1"),
        of("ollama", openinference.read, versions="0.1"),
        of("langchain", openinference.read, versions="0.1.29 .. 0.1"),
        of("litellm", openinference.read, versions="0.1"),
        of("llama_index", openinference.read, versions="4"),
        of(
            "bedrock",
            openinference.read,
            OUTSIDE_LOST,
            versions="0.1.14",
            missing="the cache: estimated; provider, tier",
        ),
        of(
            "bedrock",
            openinference.read,
            versions="0.1.26 .. 0.1",
            wrong="InvokeModel of Nova leaves the cache out of the input: estimated",
        ),
        *(
            of(
                name,
                openinference.read,
                _READ_UNKNOWN,
                versions=versions,
                missing="the cache but in output.value",
            )
            for name, versions in (("cohere", "0.1"), ("mistralai", "2"))
        ),
        of(
            "openai_agents",
            openinference.read,
            Facts(lost=("cache_read", "cache_write"), unproven=True),
            versions="2",
            missing="all but the totals of Chat Completions: estimated",
        ),
    ),
    *rows(
        "openlit.instrumentation.",
        "",
        families.OPENLIT,
        of(
            "",
            openlit.read,
            NO_AUDIO._replace(unproven=True),
            missing="reasoning of chats, tier but OpenAI's",
            wrong="guesses where the provider sent no usage: untrusted",
        ),
        of(
            "anthropic",
            openlit.read_anthropic,
            OUTSIDE,
            missing="reasoning, web searches, tier, lifetime of cache writes",
            wrong="a stream may lose the cache: estimated",
        ),
        of("bedrock", openlit.read, OUTSIDE, missing="InvokeModel is not traced; tier"),
        of(
            "google_ai_studio",
            openlit.read_gemini,
            NO_AUDIO,
            missing="what tools read, tier, embeddings",
            wrong="output leaves thoughts out: added",
        ),
        of("cohere", openlit.read_cohere, wrong="billed units instead of tokens: estimated"),
        of(
            "langchain",
            openlit.read_langchain,
            NO_AUDIO,
            missing="reasoning, tier",
            wrong="Anthropic's cache and its input are lost unless it streams; a stream may be a guess: estimated",
        ),
        of(
            "langgraph",
            openlit.read_langchain,
            wrong="a workflow repeats its last call: an aggregate",
        ),
        of(
            "litellm",
            openlit.read_litellm,
            NO_AUDIO,
            missing="reasoning; what Gemini's tools read",
            wrong="a stream without usage says 0: untrusted",
        ),
    ),
)
