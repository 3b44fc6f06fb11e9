"""What instrumentations for JavaScript, and Genkit for Go, say, and where their numbers are no plain report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from otel_genai_cost.usage.leaves import NO_USAGE, UNTRUSTED
from tests.usage.judge import call_of, read, reading_of, readings_of
from tests.usage.recorded import span_with

_CHAT: Final = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "groq",
    "gen_ai.request.model": "llama-3.3-70b-versatile",
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 9,
}
"""A call of a model that writes to no cache and hears nothing."""

_FLEX: Final = {
    "input": 64,
    "cache_read": 64,
    "input_audio": 0,
    "output": 24,
    "reasoning": 23,
    "output_audio": 0,
}
_CACHED: Final = {"input": 135, "cache_read": 128, "cache_write": 45, "output": 107}
_CACHELESS: Final = "meta.llama3-70b-instruct-v1:0"
_CLAUDE: Final = {
    **_CHAT,
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.cache_read.input_tokens": 5,
}


@pytest.mark.parametrize(
    ("case_id", "roles"),
    [
        ("js-genkit-openai/openai-chat", ["response"]),
        ("go-genkit-openai/openai-chat", ["response"]),
        ("js-vercel-ai-v6-via-traceloop/openai-cached", ["response", "aggregate"]),
        ("js-vercel-ai-v6-via-langfuse/openai-cached", ["response", "aggregate"]),
        ("js-vercel-ai-v6-via-langfuse/openai-embeddings", ["response", "aggregate"]),
        ("js-anthropic-native/anthropic-chat", ["response"]),
    ],
)
def test_wrappers_and_calls_are_told_apart(case_id: str, roles: list[str]) -> None:
    assert [reading.role for reading in readings_of(case_id)] == roles


@pytest.mark.parametrize(
    ("case_id", "provider", "requested", "returned"),
    [
        ("js-langsmith-openai/openai-reasoning", "openai", "o4-mini", "o4-mini-2025-04-16"),
        ("js-genkit-openai/openai-cached", "openai", "gpt-4o", "gpt-4o-2024-08-06"),
        ("go-genkit-openai/openai-cached", "openai", "gpt-4o", None),
        ("js-openinference-langchain/openai-cached", "openai", "gpt-4o", "gpt-4o"),
        ("js-vercel-ai-v6-via-traceloop/openai-cached", "openai", "gpt-4o", "gpt-4o-2024-08-06"),
        ("js-langfuse-langchain/openai-cached", "openai", "gpt-4o", "gpt-4o-2024-08-06"),
        ("js-openlit-openai/openai-cached", "openai", "gpt-4o", "gpt-4o-2024-08-06"),
    ],
)
def test_provider_and_models_are_found(
    case_id: str, provider: str, requested: str, returned: str | None
) -> None:
    reading = call_of(case_id)
    told = (reading.provider, reading.model_requested, reading.model_returned)
    assert told == (provider, requested, returned)


@pytest.mark.parametrize(
    ("case_id", "context"),
    [
        ("js-langsmith-openai/openai-tier-flex", {"service_tier": "flex"}),
        ("js-genkit-openai/openai-cached", {"service_tier": "default"}),
        ("js-openinference-langchain/openai-tier-flex", {"service_tier": "flex"}),
        ("js-openlit-openai/openai-tier-flex", {"service_tier": "flex"}),
        ("js-langfuse-openai/openai-tier-flex", {}),
    ],
)
def test_the_tier_is_found_where_it_is_told(case_id: str, context: Mapping[str, object]) -> None:
    assert call_of(case_id).context == context


@pytest.mark.parametrize(
    ("case_id", "leaves"),
    [
        ("js-langsmith-openai/openai-tier-flex", _FLEX),
        ("js-langfuse-openai/openai-tier-flex", _FLEX),
        ("js-traceloop-anthropic/anthropic-cached", _CACHED),
        ("js-openlit-anthropic/anthropic-cached", _CACHED),
    ],
)
def test_parts_are_found_under_the_names_of_each_dialect(
    case_id: str, leaves: Mapping[str, int]
) -> None:
    usage = call_of(case_id).usage
    assert (usage.leaves, usage.quality) == (leaves, "reported")


@pytest.mark.parametrize(
    ("scope", "attributes"),
    [
        ("langsmith", {"langsmith.span.kind": "chain", "langsmith.metadata.tenant": "acme"}),
        ("genkit-tracer", {"genkit:metadata:subtype": "flow", "tenant.id": "acme"}),
        ("genkit-tracer", {"genkit:metadata:subtype": "model", "tenant.id": "acme"}),
        ("ai", {"ai.operationId": "ai.generateText", "traceloop.association.properties.tenant": "acme"}),
        ("@openlit/instrumentation-openai", {**_CHAT, "tenant.id": "acme"}),
        ("@arizeai/openinference-instrumentation-openai", {"metadata": '{"tenant":"acme"}'}),
    ],
)  # fmt: skip
def test_a_tenant_is_found_wherever_a_dialect_keeps_it(
    scope: str, attributes: Mapping[str, object]
) -> None:
    assert read(attributes, scope).tenant == "acme"


def test_a_chain_of_langsmith_that_returns_a_models_message_is_no_call() -> None:
    chain = {**_CHAT, "gen_ai.operation.name": "chain", "langsmith.span.kind": "chain"}
    assert read(chain, "langsmith").role == "aggregate"
    retriever = {"gen_ai.operation.name": "embeddings", "langsmith.span.kind": "retriever"}
    assert read(retriever, "langsmith").role == "context"
    assert read({**_CHAT, "langsmith.span.kind": "llm"}, "langsmith").role == "response"


def test_the_lifetimes_of_cache_writes_stand_among_langsmiths_details() -> None:
    details = '{"cache_read": 5, "ephemeral_5m_input_tokens": 3, "ephemeral_1hr_input_tokens": 2}'
    usage = read(
        {**_CHAT, "gen_ai.usage.input_token_details": details, "langsmith.span.kind": "llm"},
        "langsmith",
    ).usage
    expected = {"input": 10, "cache_read": 5, "cache_write_5m": 3, "cache_write_1h": 2, "output": 9}
    assert usage.leaves == expected


@pytest.mark.parametrize(
    ("scope", "attributes", "quality"),
    [
        ("@traceloop/instrumentation-openai", _CHAT, "estimated"),
        ("@traceloop/instrumentation-langchain", _CHAT, "estimated"),
        ("@traceloop/instrumentation-langchain", {**_CHAT, "gen_ai.request.model": _CACHELESS}, "reported"),
        ("@traceloop/instrumentation-anthropic", _CLAUDE, "estimated"),
        ("@traceloop/instrumentation-anthropic", {**_CLAUDE, "gen_ai.response.finish_reasons": ("stop",)}, "reported"),
        ("@openlit/instrumentation-anthropic", {**_CLAUDE, "gen_ai.request.is_stream": True}, "estimated"),
        ("@openlit/instrumentation-anthropic", {**_CLAUDE, "gen_ai.request.is_stream": False}, "reported"),
        ("@openlit/instrumentation-cohere-ai", _CHAT, "estimated"),
        ("@openlit/instrumentation-openai", {**_CHAT, "gen_ai.request.is_stream": False}, "reported"),
        ("@opentelemetry/instrumentation-openai", {**_CHAT, "gen_ai.request.model": _CACHELESS}, "reported"),
        ("@opentelemetry/instrumentation-openai", {**_CHAT, "gen_ai.request.model": "gpt-4o"}, "estimated"),
        ("com.anthropic.sdk.typescript", _CLAUDE, "reported"),
    ],
)  # fmt: skip
def test_what_may_be_wrong_is_an_estimate(
    scope: str, attributes: Mapping[str, object], quality: str
) -> None:
    reading = read(attributes, scope)
    assert reading.usage.quality == quality
    assert bool(reading.raw) is (quality == "estimated")


@pytest.mark.parametrize(
    ("scope", "more"),
    [
        ("@openlit/instrumentation-openai", {"gen_ai.request.is_stream": True}),
        ("@openlit/instrumentation-vllm", {"gen_ai.request.is_stream": True}),
        ("@openlit/instrumentation-langchain", {}),
        ("@openlit/instrumentation-langchain", {"gen_ai.usage.cache_read.input_tokens": 5}),
    ],
)
def test_what_an_instrumentation_counted_itself_is_nobodys(
    scope: str, more: Mapping[str, object]
) -> None:
    reading = read({**_CHAT, **more}, scope)
    assert reading.usage is UNTRUSTED
    assert reading.raw


def test_thoughts_beside_the_output_are_added_where_openlit_tells_them() -> None:
    told = {**_CHAT, "gen_ai.usage.reasoning_tokens": 4}
    assert read(told, "@openlit/instrumentation-google-ai").usage.output_total == 13


def test_an_openinference_stream_of_anthropics_that_broke_has_no_plain_price() -> None:
    usage = call_of("js-openinference-anthropic/anthropic-disconnect").usage
    assert (usage.output_total, usage.quality) == (3, "estimated")
    assert call_of("js-openinference-anthropic/anthropic-stream").usage.quality == "reported"


def test_langfuses_error_is_told_by_its_level_and_costs_nothing() -> None:
    reading = call_of("js-langfuse-openai/openai-error-500")
    assert (reading.error, reading.usage, reading.foreign_cost) == ("error", NO_USAGE, None)


def test_openais_other_details_are_no_tier() -> None:
    details = '{"input": 7, "output": 4, "total": 16, "output_accepted_prediction_tokens": 5}'
    reading = read(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": details,
        },
        "langfuse-sdk",
    )
    assert (reading.usage.output_total, reading.context) == (9, {})


def _genkit(name: str, output: str, **more: Any) -> Mapping[str, object]:
    return {
        "genkit:metadata:subtype": "model",
        "genkit:name": name,
        "genkit:output": output,
        **more,
    }


def test_tokens_that_only_genkits_total_tells_make_an_estimate() -> None:
    usage = '{"inputTokens": 20, "outputTokens": 9, "thoughtsTokens": 4, "totalTokens": 33}'
    output = f'{{"usage": {usage}, "message": "secret"}}'
    reading = read(_genkit("googleai/gemini-2.5-flash", output), "genkit-tracer")
    assert (reading.provider, reading.model_requested) == ("gcp.gemini", "gemini-2.5-flash")
    assert reading.usage.quality == "estimated"
    assert reading.raw and reading.raw["genkit:output.usage.totalTokens"] == "33"
    assert "secret" not in str(reading.raw)


def test_genkits_characters_are_no_tokens() -> None:
    output = '{"usage": {"inputCharacters": 20, "outputCharacters": 9}}'
    assert read(_genkit("openai/gpt-4o", output), "genkit-tracer").usage is NO_USAGE


def test_a_flow_of_genkits_that_tells_nobody_is_nothing() -> None:
    flow = {"genkit:metadata:subtype": "flow", "genkit:output": '{"usage": {"inputTokens": 1}}'}
    assert reading_of(span_with(flow, scope="genkit-tracer")) is None
