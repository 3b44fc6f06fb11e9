"""What each family says beyond its numbers: roles, whom a call was for, conditions, providers and foreign costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import pytest

from otel_genai_cost.usage.leaves import NO_USAGE, UNTRUSTED
from tests.usage.judge import call_of, case_of, read, readings_of
from tests.usage.recorded import recordings

_CLAUDE: Final = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("case_id", "roles"),
    [
        ("pydantic-ai-native/pydantic-ai-bedrock-chat", ["response", "aggregate"]),
        ("pydantic-ai-v1-native/pydantic-ai-anthropic-stream", ["response", "aggregate"]),
        ("vercel-ai-v6/vercel-google-chat", ["response", "aggregate"]),
        ("vercel-ai-v7/vercel-openai-chat-chat", ["response", "context", "aggregate"]),
        ("mlflow-autolog/gemini-cached", ["response", "aggregate"]),
        ("mlflow-autolog/gemini-chat-session", ["response", "aggregate", "aggregate"]),
        ("logfire-openai/openai-responses-retrieve", ["poll"]),
        ("openinference-openai/openai-responses-retrieve", ["poll"]),
        ("logfire-openai/openai-stream", ["context", "response"]),
        ("anthropic-sdk-native/anthropic-tier-batch", ["response"]),
        ("logfire-anthropic/anthropic-count-tokens", []),
    ],
)
def test_wrappers_polls_and_calls_are_told_apart(case_id: str, roles: list[str]) -> None:
    assert [reading.role for reading in readings_of(case_id)] == roles


@pytest.mark.parametrize(
    "case_id",
    [
        "logfire-openai-agents/openai-agents-agent-responses",
        "strands-native-experimental/strands-openai-agent",
        "vercel-ai-v7/vercel-openai-chat-agent",
        "openlit-langchain/langchain-openai-agent",
        "traceloop-langchain/langchain-anthropic-agent",
    ],
)
def test_of_an_agents_spans_only_the_calls_are_responses(case_id: str) -> None:
    calls = [each for each in readings_of(case_id) if each.role == "response"]
    assert len(calls) == len(case_of(case_id).billable) == 2
    assert all(each.usage is not NO_USAGE for each in calls)


@pytest.mark.parametrize(
    ("scope", "attributes"),
    [
        ("opentelemetry.instrumentation.openai.v1", {"traceloop.association.properties.tenant": "acme"}),
        ("opentelemetry.instrumentation.openai.v1", {"traceloop.association.properties.tenant_id": "acme"}),
        ("@traceloop/instrumentation-openai", {"traceloop.association.properties.Helicone-Property-tenant": "acme"}),
        ("openinference.instrumentation.openai", {"openinference.span.kind": "LLM", "metadata": '{"tenant": "acme"}'}),
        ("openinference.instrumentation.langchain", {"openinference.span.kind": "", "metadata": '{"tenantId":"acme"}'}),
        ("langfuse-sdk", {"langfuse.observation.type": "span", "langfuse.trace.metadata.tenant": '"acme"'}),
        ("pydantic-ai", {"gen_ai.operation.name": "invoke_agent", "metadata": '{"tenant":"acme"}'}),
        ("logfire.openai_agents", {"metadata": '{"tenant":"acme"}'}),
        ("strands.telemetry.tracer", {"gen_ai.operation.name": "chat", "tenant": "acme"}),
        ("ai", {"ai.operationId": "ai.generateText", "ai.telemetry.metadata.tenant": "acme"}),
        ("mlflow.tracing.provider", {"mlflow.spanType": '"CHAIN"', "metadata": '{"tenant": "acme"}'}),
        ("some.instrumentation", {"tenant.id": "acme"}),
    ],
)  # fmt: skip
def test_a_tenant_is_found_wherever_a_dialect_keeps_it(
    scope: str, attributes: Mapping[str, object]
) -> None:
    assert read(attributes, scope).tenant == "acme"


def test_this_librarys_own_attribute_goes_before_metadata_and_metadata_before_nothing() -> None:
    scope = "opentelemetry.instrumentation.openai.v1"
    carried = {"traceloop.association.properties.tenant": "other", "gen_ai.request.model": "m"}
    assert read({**carried, "tenant.id": "acme"}, scope).tenant == "acme"
    assert read(carried, scope).tenant == "other"
    kind = {"openinference.span.kind": "LLM", "metadata": '{"tenant": {"id": 7}, "user_id": 12}'}
    reading = read(kind, "openinference.instrumentation.openai")
    assert (reading.tenant, dict(reading.labels)) == (None, {"user": "12"})


def test_labels_of_users_sessions_features_and_agents() -> None:
    attributes = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt-4o",
        "ai.telemetry.functionId": "summarise",
        "ai.telemetry.metadata.userId": "u-1",
        "session.id": "s-1",
        "gen_ai.agent.name": "writer",
    }
    expected = {"agent": "writer", "session": "s-1", "feature": "summarise", "user": "u-1"}
    assert read(attributes, "ai").labels == expected
    team = {"gen_ai.operation.name": "chat", "metadata.user_api_key_team_id": "team-1"}
    assert read(team, "litellm").labels == {"team": "team-1"}


@pytest.mark.parametrize(
    ("case_id", "context"),
    [
        ("anthropic-sdk-native/anthropic-tier-batch", {"batch": True}),
        ("logfire-anthropic/anthropic-fast", {"service_tier": "standard", "speed": "fast", "inference_geo": "global"}),
        ("openinference-openai/openai-cached", {"service_tier": "default"}),
        ("mlflow-autolog/openai-responses-tier", {"service_tier": "flex"}),
        ("mlflow-autolog/anthropic-fast", {"service_tier": "standard", "speed": "fast", "inference_geo": "global"}),
        ("langfuse-openai/openai-tier-priority", {"service_tier": "priority"}),
        ("langfuse-langchain/langchain-openai-tier-flex", {"service_tier": "flex"}),
        ("traceloop-openai/openai-tier-flex", {"service_tier": "flex"}),
        ("vercel-ai-v6/vercel-anthropic-cached", {"service_tier": "standard", "inference_geo": "global"}),
        ("otel-botocore/bedrock-cached", {"region": "us-east-1"}),
        ("litellm-otel/litellm-openai-tier-flex", {"service_tier": "flex"}),
    ],
)  # fmt: skip
def test_the_conditions_of_the_price_are_found(case_id: str, context: Mapping[str, object]) -> None:
    assert call_of(case_id).context == context


@pytest.mark.parametrize(
    ("case_id", "provider", "requested", "returned"),
    [
        ("otel-genai-bedrock/bedrock-cached", "aws.bedrock", _CLAUDE, None),
        ("vercel-ai-v6/vercel-google-chat", "gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash"),
        ("traceloop-litellm/litellm-openai-cached", "openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("openinference-litellm/litellm-anthropic-websearch", "anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("mlflow-autolog/bedrock-cached", "aws.bedrock", _CLAUDE, _CLAUDE),
        ("strands-native/strands-openai-chat-second-turn", None, "gpt-4o-mini", None),
        ("langfuse-openai/openai-cached", None, None, "gpt-4o-mini-2024-07-18"),
        ("litellm-otel-experimental/litellm-openai-responses", "openai", "gpt-5.6", "gpt-5.6-2026-07-01"),
        ("openlit-langchain/langchain-anthropic-cached", "anthropic", None, "claude-sonnet-4-5-20250929"),
        ("traceloop-mistralai/mistral-async", "mistral_ai", "mistral-large-latest", "mistral-large-2411"),
    ],
)  # fmt: skip
def test_provider_and_models_are_named_alike(
    case_id: str, provider: str | None, requested: str | None, returned: str | None
) -> None:
    reading = [each for each in readings_of(case_id) if each.role == "response"][-1]
    told = (reading.provider, reading.model_requested, reading.model_returned)
    assert told == (provider, requested, returned)


@pytest.mark.parametrize(
    ("host", "provider", "region"),
    [
        ("my-resource.openai.azure.com", "azure.ai.openai", None),
        ("openrouter.ai", "openrouter", None),
        ("api.deepseek.com", "deepseek", None),
        ("eu.api.openai.com", "openai", None),
        ("europe-west4-aiplatform.googleapis.com", "gcp.vertex_ai", "europe-west4"),
        ("127.0.0.1", "openai", None),
    ],
)
def test_the_endpoint_tells_whose_model_a_client_of_openai_calls(
    host: str, provider: str, region: str | None
) -> None:
    call = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "m", "server.address": host}
    reading = read(call, "opentelemetry.instrumentation.genai.openai")
    assert (reading.provider, reading.context.get("region")) == (provider, region)


def test_the_providers_own_cost_is_told_from_other_peoples() -> None:
    for case_id in ("logfire-openai", "langfuse-openai", "openinference-openai"):
        reading = call_of(f"{case_id}/openai-compat-openrouter-cached")
        assert (reading.provider_cost, reading.foreign_cost) == ("0.0123", None)
    reading = call_of("litellm-otel/litellm-openai-cached")
    assert (reading.provider_cost, reading.foreign_cost) == (None, "0.0003369")
    assert call_of("openlit/openai-tier-priority").foreign_cost is not None
    assert call_of("pydantic-ai-native/pydantic-ai-openai-chat").foreign_cost is not None


def test_xai_bills_in_ticks() -> None:
    usage = '{"prompt_tokens": 9, "completion_tokens": 1, "cost_in_usd_ticks": 37756000}'
    call = {"gen_ai.request.model": "grok-4", "gen_ai.usage.raw": usage}
    assert read(call, "logfire.openai").provider_cost == "0.0037756000"


def test_litellms_id_of_a_response_is_unwrapped() -> None:
    reading = call_of("litellm-otel-experimental/litellm-openai-responses")
    assert reading.response_id == "resp_9ba77787119c4833834d"


@pytest.mark.parametrize(
    ("scope", "usage", "leaves", "quality"),
    [
        ("some.instrumentation", (100, 60, 50), (100, 60, 50), "estimated"),
        ("some.instrumentation", (200, 60, 50), (90, 60, 50), "estimated"),
        ("opentelemetry.instrumentation.genai.openai", (100, 60, 50), None, "inconsistent"),
        ("opentelemetry.instrumentation.genai.bedrock", (200, 60, 50), (200, 60, 50), "reported"),
    ],
)  # fmt: skip
def test_input_smaller_than_the_cache_proves_that_it_leaves_it_out_and_nothing_proves_the_reverse(
    scope: str, usage: tuple[int, ...], leaves: tuple[int, ...] | None, quality: str
) -> None:
    names = ("input_tokens", "cache_read.input_tokens", "cache_write.input_tokens")
    counts = {f"gen_ai.usage.{name}": n for name, n in zip(names, usage, strict=True)}
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "claude-sonnet-4-5"}
    found = read(
        {**call, **counts, "gen_ai.usage.output_tokens": 9, "gen_ai.response.finish_reasons": ("stop",)},
        scope,
    ).usage  # fmt: skip
    expected = zip(
        ("input", "cache_read", "cache_write", "output"), (*(leaves or ()), 9), strict=False
    )
    assert found.quality == quality
    assert dict(found.leaves) == (dict(expected) if leaves else {})


def test_numbers_that_are_made_up_are_nobodys() -> None:
    mistral = {
        "gen_ai.system": "aws.bedrock",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "mistral.mistral-large-2402-v1:0",
        "rpc.method": "InvokeModel",
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.output_tokens": 4,
    }
    botocore = "opentelemetry.instrumentation.botocore.bedrock-runtime"
    assert read(mistral, botocore).usage is UNTRUSTED
    assert read({**mistral, "rpc.method": "Converse"}, botocore).usage.quality == "reported"
    guess = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 12,
    }
    assert read(guess, "openlit.instrumentation.openai").usage is UNTRUSTED
    known = {**guess, "gen_ai.usage.cache_read.input_tokens": 0}
    assert read(known, "openlit.instrumentation.openai").usage.leaves["input"] == 9


def test_an_anthropic_stream_that_was_left_has_no_plain_price() -> None:
    for name in ("otel-genai-anthropic", "openinference-anthropic", "logfire-anthropic"):
        cases = [case for case in recordings() if case.case_id.startswith(f"{name}/anthropic-aban")]
        assert cases
        for case in cases:
            usages = [reading.usage for reading in readings_of(case.case_id)]
            assert all(usage.quality != "reported" for usage in usages)
            assert {usage.output_total for usage in usages} <= {3, None}


_BUCKETS_ARE_DISJOINT: Final = {
    "input": 400,
    "input_cache_read": 100,
    "output": 20,
    "output_reasoning": 5,
}


@pytest.mark.parametrize(
    ("details", "leaves", "tier", "quality"),
    [
        (_BUCKETS_ARE_DISJOINT, {"input": 400, "cache_read": 100, "output": 20, "reasoning": 5}, None, "reported"),
        (
            {"input": 0, "input_flex": 300, "input_flex_cache_read": 50, "output": 0, "output_flex": 9, "total": 359},
            {"input": 300, "cache_read": 50, "output": 9},
            "flex",
            "reported",
        ),
        (
            {"input": 350, "input_priority": 300, "input_priority_cache_read": 50, "output": 9, "output_priority": 9},
            {"input": 300, "cache_read": 50, "output": 9},
            "priority",
            "reported",
        ),
        (
            {"input": 0, "input_modality_TEXT": 60, "input_modality_AUDIO": 40, "output": 7, "total": 107},
            {"input": 60, "input_audio": 40, "output": 7},
            None,
            "reported",
        ),
        (
            {"input": 53, "output": 9, "input_cache_creation": 0, "input_ephemeral_5m_input_tokens": 150},
            {"input": 53, "cache_write": 0, "cache_write_5m": 150, "output": 9},
            None,
            "reported",
        ),
        ({"input": 8, "output": 9, "total": 100}, {"input": 8, "output": 9}, None, "estimated"),
    ],
)  # fmt: skip
def test_langfuses_buckets_re_add_to_what_langchain_was_told(
    details: Mapping[str, int], leaves: Mapping[str, int], tier: str | None, quality: str
) -> None:
    told = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(details),
    }
    reading = read(told, "langfuse-sdk")
    assert dict(reading.usage.leaves) == dict(leaves)
    assert (reading.usage.quality, reading.context.get("service_tier")) == (quality, tier)


def test_openlit_names_the_built_in_tools_that_were_called() -> None:
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5.6",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 1,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "openai.response.built_in_tools": "web_search, file_search, web_search",
        "openai.response.built_in_tool.count": 3,
    }
    assert read(told, "openlit.instrumentation.openai").usage.leaves["web_searches"] == 2


def test_a_response_fetched_elsewhere_is_a_poll_for_openllmetry_and_openlit() -> None:
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.model": "gpt-5.6-2026-07-01",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 1,
        "openai.api.type": "responses",
    }
    scope = "opentelemetry.instrumentation.openai.v1"
    assert read(told, scope, "openai.response").role == "poll"
    made = {**told, "gen_ai.request.model": "gpt-5.6"}
    assert read(made, scope, "openai.response").role == "response"
    assert (
        read({**told, "gen_ai.request.model": "gpt-4o"}, "openlit.instrumentation.openai").role
        == "poll"
    )
    assert read(made, "openlit.instrumentation.openai").role == "response"


def test_words_that_say_there_is_none_are_nobodys_name() -> None:
    for word in ("null", "None", "<openai.Omit object at 0x7f>", ""):
        told = {"gen_ai.request.model": "m", "gen_ai.user": word, "tenant.id": word}
        reading = read(told, "opentelemetry.instrumentation.openai.v1")
        assert (reading.tenant, dict(reading.labels)) == (None, {})


def test_usage_of_a_stream_is_in_its_response_where_logfire_writes_no_totals() -> None:
    counted = {
        "prompt_tokens": 1_000,
        "completion_tokens": 100,
        "total_tokens": 1_100,
        "prompt_tokens_details": {"cached_tokens": 200},
    }
    end = {
        "gen_ai.request.model": "gpt-4o-mini",
        "request_data": '{"model":"gpt-4o-mini","stream":true}',
        "response_data": json.dumps({"message": {"content": "text"}, "usage": counted}),
    }
    name = "streaming response from {request_data[model]!r} took {duration:.2f}s"
    reading = read(end, "logfire.openai", name=name)
    assert (reading.role, reading.usage.input_total, reading.usage.output_total) == (
        "response",
        1_000,
        100,
    )
    assert reading.usage.leaves["cache_read"] == 200
