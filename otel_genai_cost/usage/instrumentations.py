"""The instrumentations whose spans are understood, and what is known of their numbers: the table.

Every row was compared with what a provider really billed, unless its facts are `unproven`. The documentation's table of
dialects is made from it.
"""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.dialects import (
    anthropic,
    bedrock,
    google_genai,
    langfuse,
    litellm,
    logfire,
    mistral,
    mlflow,
    openai_agents,
    openinference,
    openlit,
    openllmetry,
    pydantic_ai,
    semconv,
    strands,
    vercel,
)
from otel_genai_cost.usage.instrumentations_js import JAVASCRIPT
from otel_genai_cost.usage.read import Facts
from otel_genai_cost.usage.rows import NO_AUDIO, OUTSIDE, TOTALS, UNPROVEN, Read, Row, row_of, rows

__all__ = ["DIALECTS", "OUR_SCOPES", "Read", "Row"]

OUR_SCOPES: Final = "otel_genai_instrumentors."

_FINISH_TELLS: Final = Facts(finish_tells=True)
_NO_WRITE: Final = Facts(lost=("cache_write", "input_audio", "output_audio"))
_WRITE_UNKNOWN: Final = Facts(lost=("cache_read", "cache_write"), zero_lost=("cache_write",))
_OTHERS: Final = ("agno", "alephalpha", "crewai", "haystack", "replicate", "sagemaker", "together")
_OTEL: Final = "opentelemetry.instrumentation."

DIALECTS: Final = (
    Row("otel_genai_instrumentors.", "all", "semconv/1", semconv.read),
    *rows(
        _OTEL + "genai.",
        ">= 1.0",
        "semconv/1",
        row_of(
            "openai", semconv.read, missing="images and transcription are not traced; web searches"
        ),
        row_of(
            "anthropic",
            semconv.read,
            _FINISH_TELLS,
            missing="lifetime of cache writes, web searches, tier, speed, geography, compaction",
            wrong="a stream that was left has the first event's output: estimated",
        ),
        row_of(
            "bedrock",
            bedrock.read,
            Facts(cache_outside=True, finish_tells=True),
            missing="tier, lifetime of cache writes",
            wrong="the cache of Nova models by InvokeModel is lost: estimated",
        ),
        row_of(
            "langchain",
            semconv.read,
            _FINISH_TELLS,
            missing="embeddings, web searches, lifetime of cache writes, tier of Anthropic",
        ),
        row_of("llama_index", semconv.read, missing="all usage, by design"),
        row_of("openai_agents", semconv.read, missing="all usage, by design"),
    ),
    Row(
        "opentelemetry.instrumentation.google_genai",
        ">= 0.4",
        "google-genai/1",
        google_genai.read,
        _FINISH_TELLS,
        missing="tier, embeddings",
        wrong="what tools read, and of automatic function calling all but the last call, is lost: estimated",
    ),
    Row(
        "opentelemetry.instrumentation.openai_v2",
        ">= 2.0",
        "openai-v2/1",
        semconv.read,
        TOTALS,
        missing="reasoning; Responses and parse() are not traced",
    ),
    Row(
        "opentelemetry.util.genai.handler",
        "0.x",
        "openai-v2/1",
        semconv.read,
        TOTALS,
        missing="reasoning (openai-v2 in its experimental mode)",
    ),
    Row(
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        ">= 0.50",
        "botocore/1",
        bedrock.read_botocore,
        OUTSIDE,
        missing="tier; by InvokeModel all of the cache: estimated",
        wrong="by InvokeModel the tokens of Mistral and Cohere models are made up: untrusted",
    ),
    Row(
        "com.anthropic.sdk.python",
        ">= 2.0",
        "anthropic-sdk/1",
        anthropic.read,
        missing="web searches, speed; compaction is beside the totals: estimated",
    ),
    *JAVASCRIPT,
    Row(
        "mistralai_sdk_tracer",
        "all",
        "mistral-sdk/1",
        mistral.read,
        missing="version 1: cache reads (estimated), streams",
    ),
    *rows(
        _OTEL,
        ">= 0.40",
        "openllmetry/1",
        row_of(
            "openai.v1",
            openllmetry.read,
            _NO_WRITE,
            missing="reasoning of streamed chats, web searches, images, transcription",
        ),
        row_of(
            "anthropic",
            openllmetry.read_anthropic,
            missing="reasoning, web searches, tier, speed, lifetime of cache writes",
            wrong="streams count the first event's output again: estimated",
        ),
        row_of(
            "bedrock",
            openllmetry.read_bedrock,
            OUTSIDE,
            missing="region and vendor of the model, tier; InvokeModel of Mistral, embeddings",
            wrong="InvokeModel streams lose the cache: estimated",
        ),
        row_of(
            "google_generativeai",
            openllmetry.read_gemini,
            NO_AUDIO,
            missing="tier, embeddings",
            wrong="output leaves thoughts out, input what tools read; the total tells both: estimated",
        ),
        row_of("vertexai", openllmetry.read_gemini, UNPROVEN),
        row_of(
            "cohere",
            openllmetry.read_cohere,
            TOTALS,
            wrong="billed units instead of tokens: estimated",
        ),
        row_of("mistralai", openllmetry.read),
        row_of("ollama", openllmetry.read, missing="embeddings"),
        row_of("groq", openllmetry.read, missing="reasoning, tier"),
        row_of(
            "langchain",
            openllmetry.read,
            NO_AUDIO,
            missing="reasoning, tier, web searches, embeddings",
        ),
        row_of(
            "langchain",
            openllmetry.read,
            _WRITE_UNKNOWN,
            provider="anthropic",
            wrong="0 where tokens were written to the cache: estimated",
        ),
        row_of("llamaindex", openllmetry.read, missing="all usage"),
        row_of(
            "openai_agents", openllmetry.read, _NO_WRITE, missing="all usage of Chat Completions"
        ),
        row_of(
            "litellm",
            openllmetry.read_litellm,
            _NO_WRITE,
            missing="reasoning, tier, web searches; responses() is not traced",
            wrong="Gemini's input leaves out what tools read; the total tells it: estimated",
        ),
        *(row_of(name, openllmetry.read, UNPROVEN) for name in _OTHERS),
    ),
    *rows(
        "openinference.instrumentation.",
        "all",
        "openinference/1",
        row_of(
            "",
            openinference.read,
            UNPROVEN,
            missing="response id, tier, web searches but for those in output.value",
            wrong="streams of Anthropic and Gemini that were left have partial output: estimated",
        ),
        row_of(
            "bedrock",
            openinference.read,
            UNPROVEN,
            wrong="InvokeModel of Nova leaves the cache out of the input: estimated",
        ),
        row_of(
            "openai_agents",
            openinference.read,
            Facts(lost=("cache_read", "cache_write"), unproven=True),
            missing="all but the totals of Chat Completions: estimated",
        ),
    ),
    *rows(
        "openlit.instrumentation.",
        "all",
        "openlit/1",
        row_of(
            "",
            openlit.read,
            NO_AUDIO._replace(unproven=True),
            missing="reasoning of chats, tier but OpenAI's",
            wrong="guesses where the provider sent no usage: untrusted",
        ),
        row_of(
            "anthropic",
            openlit.read_anthropic,
            OUTSIDE,
            missing="reasoning, web searches, tier, lifetime of cache writes",
            wrong="a stream may lose the cache: estimated",
        ),
        row_of("bedrock", openlit.read_bedrock, OUTSIDE, missing="cache by InvokeModel: estimated"),
        row_of(
            "google_ai_studio",
            openlit.read_gemini,
            NO_AUDIO,
            missing="what tools read, tier, embeddings",
            wrong="output leaves thoughts out: added",
        ),
        row_of("cohere", openlit.read_cohere, wrong="billed units instead of tokens: estimated"),
        row_of(
            "langchain",
            openlit.read_langchain,
            NO_AUDIO,
            missing="reasoning, tier",
            wrong="Anthropic's cache and its input are lost unless it streams; a stream may be a guess: estimated",
        ),
        row_of(
            "langgraph",
            openlit.read_langchain,
            wrong="a workflow repeats its last call: an aggregate",
        ),
        row_of(
            "litellm",
            openlit.read_litellm,
            NO_AUDIO,
            missing="reasoning; what Gemini's tools read",
            wrong="a stream without usage says 0: untrusted",
        ),
    ),
    Row(
        "logfire.openai_agents",
        "all",
        "logfire-agents/1",
        openai_agents.read,
        wrong="turns and tasks repeat or sum up calls: aggregates",
    ),
    Row(
        "logfire.",
        "all",
        "logfire/1",
        logfire.read,
        missing="tier of OpenAI, response id of streams",
        wrong="an Anthropic stream that was left has the first event's output: estimated",
    ),
    Row(
        "pydantic-ai",
        ">= 1.0",
        "pydantic-ai/1",
        pydantic_ai.read,
        missing="tier, web searches of OpenAI",
        wrong="the agent's span adds up its calls, in version 1 under the same names: an aggregate",
    ),
    Row(
        "langfuse-sdk",
        ">= 3.0",
        "langfuse/1",
        langfuse.read,
        missing="provider (OpenAI's client), web searches; retrieve() and transcription are not traced",
    ),
    Row(
        "litellm",
        "all",
        "litellm/1",
        litellm.read,
        NO_AUDIO,
        missing="V2: reasoning, audio, tier, web searches, synchronous calls",
        wrong="a stream without usage says 0: untrusted; ids are LiteLLM's own but for OpenAI's",
    ),
    Row(
        "mlflow.tracing.provider",
        ">= 3.0",
        "mlflow/1",
        mlflow.read,
        TOTALS,
        missing="embeddings, raw responses, Anthropic streams",
        wrong="Gemini's public methods repeat calls: aggregates; the conventions' form has no cache: estimated",
    ),
    Row(
        "mlflow.tracing.provider",
        ">= 3.0",
        "mlflow/1",
        mlflow.read,
        _WRITE_UNKNOWN,
        provider="anthropic",
        wrong="LangChain's callback says 0 where tokens were written to the cache: estimated",
    ),
    Row(
        "strands.telemetry.tracer",
        ">= 1.0",
        "strands/1",
        strands.read,
        missing="provider, returned model, response id, reasoning",
        wrong="an agent's span is the sum of all its runs: an aggregate",
    ),
    Row(
        "ai",
        ">= 5.0",
        "vercel-ai/6",
        vercel.read_v6,
        missing="audio",
        wrong="the outer span sums up its steps: an aggregate",
    ),
    Row(
        "gen_ai",
        ">= 7.0",
        "vercel-ai/7",
        semconv.read,
        Facts(lost=("cache_write",)),
        missing="reasoning, lifetime of cache writes, web searches, tier, call metadata",
        wrong="the agent's span sums up its steps: an aggregate",
    ),
)
