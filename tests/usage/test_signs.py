"""What the sign on a span is that tells two kinds of calls apart, where their numbers do not."""

from __future__ import annotations

import pytest

from tests.usage.judge import read


def test_converse_that_tells_of_no_cache_had_none() -> None:
    """InvokeModel's streams lose it. OpenLLMetry's Converse names the provider first and no model in return; OpenLIT
    traces nothing but Converse."""
    openllmetry, openlit = (
        "opentelemetry.instrumentation.bedrock",
        "openlit.instrumentation.bedrock",
    )
    usage = {"gen_ai.usage.input_tokens": 309, "gen_ai.usage.output_tokens": 51}
    operation = {"gen_ai.operation.name": "chat"}
    for model in ("claude-sonnet-4-5-20250929-v1:0", "nova-pro-v1:0"):
        call = {"gen_ai.provider.name": "aws.bedrock", "gen_ai.request.model": model}
        assert read({**call, **operation, **usage}, openllmetry).usage.quality == "reported"
        assert read({**operation, **call, **usage}, openllmetry).usage.quality == "estimated"
        invoked = {**call, **operation, "gen_ai.response.id": "msg_1", **usage}
        assert read(invoked, openllmetry).usage.quality == "estimated"
        cache = {"gen_ai.usage.cache_read.input_tokens": 0}
        assert read({**operation, **call, **usage, **cache}, openlit).usage.quality == "reported"


@pytest.mark.parametrize(
    ("messages", "output", "quality"),
    [
        ('[{"role":"assistant","parts":[],"finish_reason":"end_turn"}]', 1, "reported"),
        ('[{"role":"assistant","parts":[{"content":"\\"finish_reason\\":"}]}]', 25, "estimated"),
        (None, 3, "estimated"),
        (None, 25, "reported"),
    ],
)
def test_logfires_output_tells_whether_a_stream_of_anthropics_was_left(
    messages: str | None, output: int, quality: str
) -> None:
    call = {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.usage.raw": f'{{"input_tokens":61,"output_tokens":{output}}}',
    }
    told = call if messages is None else {**call, "gen_ai.output.messages": messages}
    found = read(told, "logfire.anthropic", "streaming response from 'claude' took 0.12s")
    assert found.usage.quality == quality


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("responses.retrieve gpt-4o", "poll"),
        ("batch.retrieve unknown", "poll"),
        ("responses.token_count gpt-4o", "context"),
        ("batch.create unknown", "context"),
        ("file.create unknown", "context"),
        ("vector_store.search unknown", "context"),
        ("video.list sora-2", "context"),
        ("video.create sora-2", "response"),
        ("chat gpt-4.1", "response"),
    ],
)
def test_openlit_has_spans_of_requests_that_are_no_calls(name: str, role: str) -> None:
    """Not even a batch's own usage is charged, once for each time that somebody asks how far it is."""
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 0,
    }
    assert read(told, "openlit.instrumentation.openai", name).role == role


@pytest.mark.parametrize(
    ("endpoint", "provider"),
    [
        ('"https://api.openai.com/v1"', "openai"),
        ('"https://shop.openai.azure.com"', "azure.ai.openai"),
        ('"http://127.0.0.1:4000"', None),
        ('"http://[v1"', None),
        ("null", None),
    ],
)
def test_litellms_endpoint_tells_mlflow_the_provider(endpoint: str, provider: str | None) -> None:
    call = {"mlflow.spanType": '"LLM"', "model": '"gpt-4o-mini"', "api_base": endpoint}
    found = read(call, "mlflow.tracing.provider", "litellm-completion")
    assert (found.provider, found.model_requested) == (provider, "gpt-4o-mini")


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("logfire.openai", "gen_ai.usage.raw"),
        ("logfire.anthropic", "gen_ai.usage.raw"),
        ("litellm", "metadata.usage_object"),
        ("openinference.instrumentation.cohere", "output.value"),
        ("openinference.instrumentation.mistralai", "output.value"),
    ],
)
def test_totals_alone_may_hide_the_cache(scope: str, name: str) -> None:
    """The provider's own usage is in JSON that a set-up can leave out, and older versions do."""
    call = {
        "openinference.span.kind": "LLM",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.usage.input_tokens": 2006,
        "gen_ai.usage.output_tokens": 300,
        "llm.model_name": "mistral-large-latest",
        "llm.token_count.prompt": 2006,
        "llm.token_count.completion": 300,
    }
    assert read(call, scope).usage.quality == "estimated"
    usage = '{"prompt_tokens": 2006, "completion_tokens": 300}'
    own = f'{{"usage": {usage}}}' if name == "output.value" else usage
    assert read({**call, name: own}, scope).usage.quality == "reported"


def test_what_bedrock_streamed_is_known_from_its_output_alone() -> None:
    call = {
        "openinference.span.kind": "LLM",
        "llm.provider": "aws",
        "llm.model_name": "claude-sonnet-4-5-20250929",
        "llm.token_count.prompt": 1884,
        "llm.token_count.completion": 3,
    }
    scope, name = "openinference.instrumentation.bedrock", "bedrock.invoke_model"
    assert read(call, scope, name).usage.quality == "reported"
    streamed = read(call, scope, f"{name}_with_response_stream")
    assert streamed.usage.quality == "estimated"


def test_what_an_agent_of_pydantic_ais_adds_up_hides_audio() -> None:
    sums = {"gen_ai.operation.name": "invoke_agent", "gen_ai.aggregated_usage.input_tokens": 1130}
    found = read({**sums, "gen_ai.aggregated_usage.output_tokens": 271}, "pydantic-ai", "agent run")
    assert (found.role, found.usage.quality) == ("aggregate", "estimated")
