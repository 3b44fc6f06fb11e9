"""What a request asks for by where it goes and what it says, and the request as it may be made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.gate.gateway_call import GatewayCall, call_at, with_body


def _call(path: str, body: dict[str, Any], provider: str | None = None) -> GatewayCall:
    bare = call_at("POST", path, "api.openai.com", provider)
    assert bare is not None
    found = with_body(bare, json.dumps(body).encode())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("host", "path", "provider", "operation", "model"),
    [
        ("api.openai.com", "/v1/chat/completions", "openai", "chat", None),
        ("api.groq.com:443", "/openai/v1/chat/completions", "groq", "chat", None),
        (
            "x.openai.azure.com",
            "/openai/deployments/d1/chat/completions?api-version=1",
            "azure.ai.openai",
            "chat",
            "d1",
        ),
        ("gateway", "/v1/responses", "openai", "chat", None),
        ("api.anthropic.com", "/v1/messages", "anthropic", "chat", None),
        (
            "gateway",
            "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            "gcp.gemini",
            "chat",
            "gemini-2.5-pro",
        ),
        (
            "gateway",
            "/v1/publishers/anthropic/models/claude-1@2:rawPredict",
            "gcp.vertex_ai",
            "chat",
            "claude-1@2",
        ),
        (
            "bedrock-runtime.eu-west-1.amazonaws.com",
            "/model/a.b-v1%3A0/converse-stream",
            "aws.bedrock",
            "chat",
            "a.b-v1:0",
        ),
        ("gateway", "/api/chat", "ollama", "chat", None),
        ("gateway", "/v2/embed", "cohere", "embeddings", None),
    ],
)
def test_a_call_is_known_by_where_it_goes(
    host: str, path: str, provider: str, operation: str, model: str | None
) -> None:
    call = call_at("POST", path, host, None)
    assert call is not None
    assert (call.provider, call.operation, call.model) == (provider, operation, model)
    named = call_at("POST", path, host, "somebody")
    assert named is not None
    assert named.provider == "somebody", "whoever configures a route knows best"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/complet%69ons",
        "/v1/chat%2Fcompletions",
        "/v1//chat//completions",
        "/v1/chat/completions/.",
        "/v1/chat/x/../completions/",
        "/v1/chat/completions#x",
        "/v1/chat/completions%0A",
        "/openai/deployments/d1/Chat/Completions?api-version=1",
    ],
)
def test_however_a_path_is_written_nothing_passes_unasked(path: str) -> None:
    call = call_at("POST", path, "api.openai.com", None)
    assert call is not None
    assert (call.end, call.path) == ("chat/completions", path), "it is passed on as it came"


@pytest.mark.parametrize("up", ["..", "%2e%2E", "x/../.."])
def test_a_path_that_goes_back_names_no_model(up: str) -> None:
    """The one that it seems to name is not the one that answers."""
    path = f"/openai/deployments/cheap/{up}/dear/chat/completions"
    call = call_at("POST", path, "api.openai.com", None)
    assert call is not None
    assert (call.model, call.by("cheaper")) == (None, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/chat/completions"), ("POST", "/v1/files"), ("POST", "/"), ("POST", ""), ("DELETE", "/v1/messages/1")],
)  # fmt: skip
def test_the_rest_is_no_call(method: str, path: str) -> None:
    assert call_at(method, path, "api.openai.com", None) is None


@given(st.text(), st.text(), st.binary(max_size=200))
def test_nothing_that_is_sent_does_harm(path: str, host: str, content: bytes) -> None:
    call_at("POST", path, host, None)
    bare = call_at("POST", "/chat/completions", host, None)
    assert bare is not None
    with_body(bare, content)


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        ("/v1/chat/completions", {"model": "m"}, {"max_completion_tokens": 20}),
        ("/v1/chat/completions", {"model": "m", "max_tokens": 99}, {"max_tokens": 20}),
        ("/v1/chat/completions", {"model": "m", "max_tokens": 99, "n": 4}, {"max_tokens": 5}),
        ("/v1/responses", {"model": "m"}, {"max_output_tokens": 20}),
        ("/v1/messages", {"model": "m", "max_tokens": 99}, {"max_tokens": 20}),
        ("/models/g:generateContent", {}, {"generationConfig": {"maxOutputTokens": 20}}),
        (
            "/model/m/converse",
            {"inferenceConfig": {"maxTokens": 99, "topP": 1}},
            {"inferenceConfig": {"maxTokens": 20, "topP": 1}},
        ),
        ("/api/chat", {"model": "m"}, {"options": {"num_predict": 20}}),
    ],
)
def test_less_is_asked_for_in_each_formats_words(
    path: str, body: dict[str, Any], wanted: dict[str, Any]
) -> None:
    body = {**body, "seed": 1}
    less = _call(path, body).writing(20)
    assert less is not None
    assert json.loads(less.content()) == {**body, **wanted}
    assert less.is_changed


def test_so_little_cannot_be_asked_for() -> None:
    assert _call("/v1/responses", {"model": "m"}).writing(15) is None
    thinking = {"model": "m", "max_tokens": 5000, "thinking": {"budget_tokens": 1024}}
    assert _call("/v1/messages", thinking).writing(1024) is None


def test_another_model_in_the_body_or_in_the_path() -> None:
    other = _call("/v1/chat/completions", {"model": "dear"}).by("cheap")
    assert other is not None
    assert json.loads(other.content()) == {"model": "cheap"}
    other = _call("/v1beta/models/dear:generateContent?alt=sse", {"contents": []}).by("che/ap")
    assert other is not None
    assert other.path == "/v1beta/models/che%2Fap:generateContent?alt=sse"
    assert not other.is_changed
    assert _call("/v1/embed", {"texts": []}).by("cheap") is None


@pytest.mark.parametrize(
    ("provider", "body", "is_asked"),
    [
        ("openai", {"stream": True}, True),
        ("azure.ai.openai", {"stream": True, "stream_options": {"include_usage": False}}, True),
        ("openai", {"stream": True, "stream_options": {"include_usage": True}}, False),
        ("openai", {"stream": False}, False),
        ("mistral_ai", {"stream": True}, False),
    ],
)
def test_usage_is_asked_for_of_whom_it_has_to_be(
    provider: str, body: dict[str, Any], is_asked: bool
) -> None:
    call = _call("/v1/chat/completions", {"model": "m", **body}, provider).with_usage()
    assert call.hides_usage is is_asked
    if is_asked:
        assert call.body["stream_options"]["include_usage"] is True


def test_a_name_that_stands_twice_stands_once_in_what_is_sent_on() -> None:
    bare = call_at("POST", "/v1/chat/completions", "api.openai.com", None)
    assert bare is not None
    call = with_body(bare, b'{"model": "dear", "x": [{"a": 1}], "model": "cheap"}')
    assert call is not None
    assert call.is_changed
    assert call.content() == b'{"model":"cheap","x":[{"a":1}]}'
