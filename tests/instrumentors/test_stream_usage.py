"""Who is asked for the usage of a stream: hosts that understand and need it, unless the caller has said something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from otel_genai_cost.tenancy import egress
from otel_genai_instrumentors import openai_requests as facts
from otel_genai_instrumentors.stream_usage import asks_for_usage

_PLAIN: dict[str, Any] = {"model": "gpt-4o", "messages": [], "stream": True}


@pytest.mark.parametrize(
    ("host", "path", "version", "asks"),
    [
        ("api.openai.com", "/v1/", None, True),
        ("eu.api.openai.com", "/v1/", None, True),
        ("api.openai.com.evil.example", "/v1/", None, False),
        ("acme.openai.azure.com", "/openai/", "2024-02-01", False),
        ("acme.openai.azure.com", "/openai/", "2024-08-01-preview", False),
        ("acme.openai.azure.com", "/openai/", "2024-09-01-preview", True),
        ("acme.openai.azure.com", "/openai/deployments/x/", "2024-10-21", True),
        ("acme.openai.azure.com", "/openai/", None, False),
        ("acme.openai.azure.com", "/openai/v1/", None, True),
        ("acme.openai.azure.com", "/openai/v1/", "preview", True),
        ("acme.services.ai.azure.com", "/models/", "2024-10-21", False),
        ("acme.services.ai.azure.com", "/openai/v1/", None, True),
        ("api.mistral.ai", "/v1/", None, False),
        ("openrouter.ai", "/api/v1/", None, False),
        ("api.groq.com", "/openai/v1/", None, False),
        ("gw.example.com", "/v1/", None, False),
        (None, "/v1/", None, False),
    ],
)
def test_only_hosts_that_understand_and_need_it_are_asked(
    host: str | None, path: str, version: str | None, asks: bool
) -> None:
    assert asks_for_usage(host, path, version) is asks


def _asked(resource: Any, **more: Any) -> bool:
    kwargs = {**_PLAIN, **more}
    prepared = facts.asking_for_usage(resource, kwargs)
    asks = (prepared.kwargs.get("stream_options") or {}).get("include_usage") is True
    assert prepared.hides_usage is (asks and prepared.kwargs is not kwargs)
    return prepared.kwargs is not kwargs


@pytest.fixture
def at_openai() -> Iterator[Any]:
    with openai.OpenAI(api_key="k", base_url="https://api.openai.com/v1") as client:
        yield client.chat.completions


@pytest.mark.parametrize(
    "said",
    [
        {"stream": False},
        {"stream_options": {"include_usage": True}},
        {"stream_options": {"include_usage": False}},
        {"extra_body": {"stream_options": {"include_usage": True}}},
        {"extra_body": {"usage": {"include": True}}},
        {"extra_body": {"data_sources": []}},
        {"extra_headers": {"X-Stainless-Raw-Response": "true"}},
        {"extra_headers": {"X-Stainless-Raw-Response": "stream"}},
    ],
    ids=str,
)
def test_who_says_something_of_usage_is_left_alone(at_openai: Any, said: dict[str, Any]) -> None:
    assert not _asked(at_openai, **said)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"stream_options": None},
        {"stream_options": openai.NOT_GIVEN},
        {"stream_options": {"include_obfuscation": False}},
        {"extra_body": {"top_k": 4}},
        {"extra_headers": {"x-team": "a"}},
    ],
    ids=str,
)
def test_who_says_nothing_of_usage_is_asked_for(at_openai: Any, said: dict[str, Any]) -> None:
    assert _asked(at_openai, **said)
    options = facts.asking_for_usage(at_openai, {**_PLAIN, **said}).kwargs["stream_options"]
    assert options == {**(said.get("stream_options") or {}), "include_usage": True}


def test_azures_version_is_the_clients_or_the_calls() -> None:
    for version, asks in (("2024-02-01", False), ("2024-10-21", True)):
        with openai.AzureOpenAI(
            api_key="k", azure_endpoint="https://a.openai.azure.com", api_version=version
        ) as client:
            assert _asked(client.chat.completions) is asks
            older = {"api-version": "2024-02-01"}
            assert not _asked(client.chat.completions, extra_query=older)


def test_a_team_may_name_further_hosts() -> None:
    with openai.OpenAI(api_key="k", base_url="https://llm.gw.internal/v1") as client:
        assert not _asked(client.chat.completions)
        egress.configure((), (".internal",))
        try:
            assert _asked(client.chat.completions)
        finally:
            egress.configure(())
