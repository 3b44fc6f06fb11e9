"""The instrumentations whose spans are understood, and what is known of their numbers: the table.

Every row was compared with what a provider really billed, unless its facts are `unproven`. The documentation's table of
dialects is made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from otel_genai_cost.usage.dialects import (
    anthropic,
    bedrock,
    google_genai,
    javascript,
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
from otel_genai_cost.usage.read import PROVIDERS_OWN, Facts, Known, Reading, SpanView

__all__ = ["DIALECTS", "OUR_SCOPES", "Read", "Row"]

OUR_SCOPES: Final = "otel_genai_instrumentors."

Read = Callable[[SpanView, Known], Reading | None]


class Row(NamedTuple):
    """One instrumentation, or what differs for one of its providers.

    A scope that ends in a dot or a dash means all below. `label` is `name/version` of the dialect. `provider` is empty
    for all; a row for one follows the row for all. `missing` says what is never told, `wrong` what is told wrong, and
    what becomes of it.
    """

    scope: str
    versions: str
    label: str
    read: Read
    facts: Facts = Facts()
    provider: str = ""
    missing: str = ""
    wrong: str = ""


def _of(
    name: str,
    read: Read,
    facts: Facts = PROVIDERS_OWN,
    *,
    provider: str = "",
    missing: str = "",
    wrong: str = "",
) -> Row:
    return Row(name, "", "", read, facts, provider, missing, wrong)


def _rows(prefix: str, versions: str, label: str, *rows: Row) -> tuple[Row, ...]:
    """Rows of one publisher, who names scopes alike."""
    return tuple(
        row._replace(scope=prefix + row.scope, versions=versions, label=label) for row in rows
    )


_OUTSIDE: Final = Facts(cache_outside=True)
_FINISH_TELLS: Final = Facts(finish_tells=True)
_NO_AUDIO: Final = Facts(lost=("input_audio", "output_audio"))
_NO_WRITE: Final = Facts(lost=("cache_write", "input_audio", "output_audio"))
_TOTALS: Final = Facts(lost=("cache_read", "cache_write", "input_audio", "output_audio"))
_WRITE_UNKNOWN: Final = Facts(lost=("cache_read", "cache_write"), zero_lost=("cache_write",))
_UNPROVEN: Final = Facts(unproven=True)
_OTHERS: Final = ("agno", "alephalpha", "crewai", "haystack", "replicate", "sagemaker", "together")
_OTEL: Final = "opentelemetry.instrumentation."

DIALECTS: Final = (
    Row("otel_genai_instrumentors.", "all", "semconv/1", semconv.read),
    *_rows(
        _OTEL + "genai.",
        ">= 1.0",
        "semconv/1",
        _of(
            "openai", semconv.read, missing="images and transcription are not traced; web searches"
        ),
        _of(
            "anthropic",
            semconv.read,
            _FINISH_TELLS,
            missing="lifetime of cache writes, web searches, tier, speed, geography, compaction",
            wrong="a stream that was left has the first event's output: estimated",
        ),
        _of(
            "bedrock",
            bedrock.read,
            Facts(cache_outside=True, finish_tells=True),
            missing="tier, lifetime of cache writes",
            wrong="the cache of Nova models by InvokeModel is lost: estimated",
        ),
        _of(
            "langchain",
            semconv.read,
            _FINISH_TELLS,
            missing="embeddings, web searches, lifetime of cache writes, tier of Anthropic",
        ),
        _of("llama_index", semconv.read, missing="all usage, by design"),
        _of("openai_agents", semconv.read, missing="all usage, by design"),
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
        _TOTALS,
        missing="reasoning; Responses and parse() are not traced",
    ),
    Row(
        "opentelemetry.util.genai.handler",
        "0.x",
        "openai-v2/1",
        semconv.read,
        _TOTALS,
        missing="reasoning (openai-v2 in its experimental mode)",
    ),
    Row(
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        ">= 0.50",
        "botocore/1",
        bedrock.read_botocore,
        _OUTSIDE,
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
        _TOTALS,
        missing="reasoning, tier; Responses are not traced",
    ),
    Row(
        "langsmith",
        "all",
        "langsmith/1",
        javascript.read_langsmith,
        missing="streams, embeddings",
    ),
    *_rows(
        "@openlit/instrumentation-",
        "all",
        "openlit-js/1",
        _of(
            "",
            javascript.read_openlit,
            _NO_AUDIO,
            missing="reasoning",
            wrong="guesses where OpenAI's stream sent no usage: untrusted",
        ),
        _of(
            "anthropic",
            javascript.read_openlit,
            _OUTSIDE,
            missing="lifetime of cache writes",
            wrong="a stream counts the first event's output again: estimated",
        ),
        _of(
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
        _UNPROVEN,
        missing="response id, tier, embeddings; what output.value does not tell",
    ),
    Row(
        "mistralai_sdk_tracer",
        "all",
        "mistral-sdk/1",
        mistral.read,
        missing="version 1: cache reads (estimated), streams",
    ),
    *_rows(
        _OTEL,
        ">= 0.40",
        "openllmetry/1",
        _of(
            "openai.v1",
            openllmetry.read,
            _NO_WRITE,
            missing="reasoning of streamed chats, web searches, images, transcription",
        ),
        _of(
            "anthropic",
            openllmetry.read_anthropic,
            missing="reasoning, web searches, tier, speed, lifetime of cache writes",
            wrong="streams count the first event's output again: estimated",
        ),
        _of(
            "bedrock",
            openllmetry.read_bedrock,
            _OUTSIDE,
            missing="region and vendor of the model, tier; InvokeModel of Mistral, embeddings",
            wrong="InvokeModel streams lose the cache: estimated",
        ),
        _of(
            "google_generativeai",
            openllmetry.read_gemini,
            _NO_AUDIO,
            missing="tier, embeddings",
            wrong="output leaves thoughts out, input what tools read; the total tells both: estimated",
        ),
        _of("vertexai", openllmetry.read_gemini, _UNPROVEN),
        _of(
            "cohere",
            openllmetry.read_cohere,
            _TOTALS,
            wrong="billed units instead of tokens: estimated",
        ),
        _of("mistralai", openllmetry.read),
        _of("ollama", openllmetry.read, missing="embeddings"),
        _of("groq", openllmetry.read, missing="reasoning, tier"),
        _of(
            "langchain",
            openllmetry.read,
            _NO_AUDIO,
            missing="reasoning, tier, web searches, embeddings",
        ),
        _of(
            "langchain",
            openllmetry.read,
            _WRITE_UNKNOWN,
            provider="anthropic",
            wrong="0 where tokens were written to the cache: estimated",
        ),
        _of("llamaindex", openllmetry.read, missing="all usage"),
        _of("openai_agents", openllmetry.read, _NO_WRITE, missing="all usage of Chat Completions"),
        _of(
            "litellm",
            openllmetry.read_litellm,
            _NO_WRITE,
            missing="reasoning, tier, web searches; responses() is not traced",
            wrong="Gemini's input leaves out what tools read; the total tells it: estimated",
        ),
        *(_of(name, openllmetry.read, _UNPROVEN) for name in _OTHERS),
    ),
    *_rows(
        "@traceloop/instrumentation-",
        "all",
        "openllmetry/1",
        _of(
            "",
            openllmetry.read,
            _UNPROVEN,
            missing="OpenLLMetry for JavaScript, and with it Helicone's asynchronous logging",
        ),
        _of("openai", openllmetry.read, _TOTALS, missing="streams, but for guesses; reasoning"),
        _of("langchain", openllmetry.read, _TOTALS, missing="reasoning, embeddings"),
        _of(
            "anthropic",
            javascript.read_traceloop_anthropic,
            _OUTSIDE,
            missing="lifetime of cache writes, streams",
            wrong="an answer that was not read to its end has the first event's output: estimated",
        ),
    ),
    *_rows(
        "openinference.instrumentation.",
        "all",
        "openinference/1",
        _of(
            "",
            openinference.read,
            _UNPROVEN,
            missing="response id, tier, web searches but for those in output.value",
            wrong="streams of Anthropic and Gemini that were left have partial output: estimated",
        ),
        _of(
            "bedrock",
            openinference.read,
            _UNPROVEN,
            wrong="InvokeModel of Nova leaves the cache out of the input: estimated",
        ),
        _of(
            "openai_agents",
            openinference.read,
            Facts(lost=("cache_read", "cache_write"), unproven=True),
            missing="all but the totals of Chat Completions: estimated",
        ),
    ),
    *_rows(
        "openlit.instrumentation.",
        "all",
        "openlit/1",
        _of(
            "",
            openlit.read,
            _NO_AUDIO._replace(unproven=True),
            missing="reasoning of chats, tier but OpenAI's",
            wrong="guesses where the provider sent no usage: untrusted",
        ),
        _of(
            "anthropic",
            openlit.read_anthropic,
            _OUTSIDE,
            missing="reasoning, web searches, tier, lifetime of cache writes",
            wrong="a stream may lose the cache: estimated",
        ),
        _of("bedrock", openlit.read_bedrock, _OUTSIDE, missing="cache by InvokeModel: estimated"),
        _of(
            "google_ai_studio",
            openlit.read_gemini,
            _NO_AUDIO,
            missing="what tools read, tier, embeddings",
            wrong="output leaves thoughts out: added",
        ),
        _of("cohere", openlit.read_cohere, wrong="billed units instead of tokens: estimated"),
        _of(
            "langchain",
            openlit.read_langchain,
            _NO_AUDIO,
            missing="reasoning, tier",
            wrong="Anthropic's cache and its input are lost unless it streams; a stream may be a guess: estimated",
        ),
        _of(
            "langgraph",
            openlit.read_langchain,
            wrong="a workflow repeats its last call: an aggregate",
        ),
        _of(
            "litellm",
            openlit.read_litellm,
            _NO_AUDIO,
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
        _NO_AUDIO,
        missing="V2: reasoning, audio, tier, web searches, synchronous calls",
        wrong="a stream without usage says 0: untrusted; ids are LiteLLM's own but for OpenAI's",
    ),
    Row(
        "mlflow.tracing.provider",
        ">= 3.0",
        "mlflow/1",
        mlflow.read,
        _TOTALS,
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
