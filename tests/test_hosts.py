"""One table says whose endpoint a host is, for the reading of spans and for our own clients."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from otel_genai_cost import attributes as names
from otel_genai_cost import hosts
from otel_genai_cost.hosts import NOWHERE, Place, place_of
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.usage.conventions import provider_and_region
from otel_genai_cost.usage.providers import canonical
from otel_genai_instrumentors import openai_requests as facts

_AZURE = ("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com")


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("api.openai.com", Place("openai", None)),
        ("EU.api.openai.com", Place("openai", None)),
        ("api.openai.com.evil.example", NOWHERE),
        ("evilapi.openai.com", NOWHERE),
        ("acme.services.ai.azure.com", Place("azure.ai.openai", None)),
        ("acme.eastus2.inference.ai.azure.com", Place("azure.ai.inference", None)),
        ("bedrock-runtime.eu-west-1.amazonaws.com", Place("aws.bedrock", "eu-west-1")),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", Place("aws.bedrock", "cn-north-1")),
        ("bedrock-runtime.eu-west-1.amazonaws.com.evil.example", NOWHERE),
        ("europe-west4-aiplatform.googleapis.com", Place("gcp.vertex_ai", "europe-west4")),
        ("aiplatform.googleapis.com", Place("gcp.vertex_ai", None)),
        ("api.together.xyz", Place("together_ai", None)),
        ("aiplatform.eu.rep.googleapis.com", Place("gcp.vertex_ai", "eu")),
        ("bedrock-mantle.us-east-1.api.aws", Place("aws.bedrock", "us-east-1")),
        ("generativelanguage.googleapis.com", Place("gcp.gemini", None)),
        ("models.inference.ai.azure.com", Place("github_models", None)),
        ("models.github.ai", Place("github_models", None)),
        ("router.huggingface.co", Place("huggingface", None)),
        ("api.cerebras.ai", Place("cerebras", None)),
        ("us-east-1.api.x.ai", Place("x_ai", None)),
        ("gw.example.com", NOWHERE),
        ("", NOWHERE),
        ("a" * 300 + ".api.openai.com", NOWHERE),
    ],
)
def test_a_host_says_whose_endpoint_it_is(host: str, place: Place) -> None:
    assert place_of(host) == place


_NOT_SOLD = {"github_models", "huggingface"}
"""Whose own prices nobody lists: what is called there must not be taken for another's."""


@pytest.mark.parametrize("host", hosts._PROVIDERS)
def test_the_table_has_the_names_that_spans_are_read_by_and_the_book_knows(host: str) -> None:
    provider = place_of(f"acme.{host}").provider
    assert provider is not None
    assert canonical(provider) == provider
    assert provider in load_book().names.providers or provider in _NOT_SOLD


def test_a_team_names_whose_endpoints_its_own_hosts_are() -> None:
    hosts.configure({"GW.example.com": "openrouter", ".gpu.internal": "vllm"})
    try:
        assert place_of("gw.example.com") == Place("openrouter", None)
        assert place_of("a.gpu.internal") == Place("vllm", None)
        assert place_of("gpu.internal") == NOWHERE
        assert place_of("api.openai.com") == Place("openai", None)
    finally:
        hosts.configure({})
    assert place_of("gw.example.com") == NOWHERE


def _ours(url: str) -> Any:
    with openai.OpenAI(api_key="k", base_url=url) as client:
        host, _ = facts.server(client.chat.completions, (), {})
        return facts.request(client.chat.completions, {"model": "gpt-4o"}, host)


@pytest.mark.parametrize("host", [f"acme.{one}" for one in _AZURE])
@pytest.mark.parametrize("path", ["/openai/v1", "/openai/deployments/x", "/models"])
def test_a_span_of_ours_and_one_of_another_instrumentation_name_one_provider(
    host: str, path: str
) -> None:
    """Else two spans of one response would not be joined, and would be charged twice."""
    ours = _ours(f"https://{host}{path}")[names.GEN_AI_PROVIDER_NAME]
    others = {names.GEN_AI_PROVIDER_NAME: "openai", names.SERVER_ADDRESS: host}
    read, _ = provider_and_region(others, "gpt-4o")
    assert ours == read == "azure.ai.openai"


def test_what_names_itself_azures_inference_keeps_its_name_and_has_the_same_prices() -> None:
    read, _ = provider_and_region(
        {names.GEN_AI_SYSTEM: "az.ai.inference", names.SERVER_ADDRESS: "a.services.ai.azure.com"},
        "gpt-4o",
    )
    assert read == "azure.ai.inference"
    providers = load_book().names.providers
    assert providers["azure.ai.inference"] == providers["azure.ai.openai"]
