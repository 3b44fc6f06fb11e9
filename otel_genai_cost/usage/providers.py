"""One name for each provider, whatever an instrumentation calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from otel_genai_cost.hosts import place_of

__all__ = [
    "bedrock_model",
    "canonical",
    "provider_aliases",
    "provider_of_model",
    "returned_model",
    "without_provider",
]

_NAMES: Final[Mapping[str, str]] = {
    "amazon-bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "azure.openai": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "gcp.gen_ai": "gcp.gemini",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "fireworks.ai": "fireworks",
    "github": "github-copilot",
    "github-copilot": "github-copilot",
    "github.copilot": "github-copilot",
    "copilot": "github-copilot",
    "google-gla": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "google_genai": "gcp.gemini",
    "googleai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "together": "together_ai",
    "vertex": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
}
_FAMILIES: Final = (  # the Vercel AI SDK's `openai.responses`
    ("openai.", "openai"),
    ("anthropic.", "anthropic"),
    ("amazon-bedrock.", "aws.bedrock"),
    ("google.vertex", "gcp.vertex_ai"),
    ("google.", "gcp.gemini"),
    ("azure-openai.", "azure.ai.openai"),
    ("azure.", "azure.ai.openai"),
    ("mistral.", "mistral_ai"),
    ("groq.", "groq"),
    ("xai.", "x_ai"),
    ("cohere.", "cohere"),
    ("deepseek.", "deepseek"),
    ("perplexity.", "perplexity"),
)
_NOT_PROVIDERS: Final = frozenset(
    {"langchain", "langgraph", "litellm", "llamaindex", "strands-agents", "_other", "unknown"}
)
"""Frameworks that give their own name where the provider's belongs."""

_KNOWN: Final = frozenset({"azure.ai.openai", "azure.ai.inference"})

_BEDROCK_MODEL: Final = re.compile(
    r"arn:aws[a-z-]*:bedrock:.*"
    r"|(?:(?:us|us-gov|eu|apac|jp|au|ca|sa|me|af|global)\.)?"
    r"(?:amazon|anthropic|meta|mistral|cohere|ai21|deepseek|openai|qwen|stability|writer|twelvelabs)\.[\w.-]+"
    r"(?::\d+(?::\w+)?)?"
)
_BEDROCK_VENDORS: Final = (
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"nova|titan"), "amazon"),
    (re.compile(r"llama"), "meta"),
    (re.compile(r"mi[sx]tral|ministral|magistral|pixtral|voxtral|devstral"), "mistral"),
    (re.compile(r"command|embed-(?:english|multilingual|v4)|rerank-v3"), "cohere"),
    (re.compile(r"jamba|j2-"), "ai21"),
    (re.compile(r"gpt-oss"), "openai"),
    (re.compile(r"qwen"), "qwen"),
    (re.compile(r"(?:r1-v|v3|deepseek)"), "deepseek"),
    (re.compile(r"palmyra"), "writer"),
    (re.compile(r"kimi"), "moonshotai"),
    (re.compile(r"gemma"), "google"),
    (re.compile(r"nemotron"), "nvidia"),
    (re.compile(r"minimax"), "minimax"),
    (re.compile(r"glm"), "zai"),
    (re.compile(r"marengo|pegasus"), "twelvelabs"),
)
"""How the names of a vendor's models begin, and how Bedrock names the vendor."""

_BEDROCK: Final = "aws.bedrock"
_OWN_PROFILE: Final = ":application-inference-profile/"
_TEXT_LIMIT: Final = 256


@lru_cache(maxsize=512)
def canonical(name: str) -> str | None:
    """The OpenTelemetry name of a provider; None for a framework's own name. Unknown names are kept, in lower case."""
    key = name.strip().casefold()
    if key in _KNOWN:
        return key
    if not key or key in _NOT_PROVIDERS:
        return None
    if key in _NAMES:
        return _NAMES[key]
    family = next((provider for prefix, provider in _FAMILIES if key.startswith(prefix)), None)
    return family or _provider_at(key) or key


def provider_aliases() -> Mapping[str, str]:
    """Names, in lower case, and the one that they stand for; beginnings of names and hosts are not among them."""
    return _NAMES


def _provider_at(name: str) -> str | None:
    """The provider whose host, or the address of whose endpoint, stands where its name belongs."""
    if "." not in name or len(name) > _TEXT_LIMIT:
        return None
    host = name.partition("://")[2] or name
    return place_of(host.partition("/")[0].partition(":")[0]).provider


@lru_cache(maxsize=512)
def provider_of_model(model: str) -> str | None:
    """The provider that a model's id alone shows: only Bedrock's have a form of their own."""
    return "aws.bedrock" if _BEDROCK_MODEL.fullmatch(model) is not None else None


@lru_cache(maxsize=512)
def bedrock_model(model: str | None) -> str | None:
    """A model's id on Bedrock, with its vendor where somebody took that off: `claude-…` is `anthropic.claude-…`."""
    if model is None or "." in model.partition("-")[0] or model.startswith("arn:"):
        return model
    found = (vendor for names, vendor in _BEDROCK_VENDORS if names.match(model))
    vendor = next(found, None)
    return model if vendor is None else f"{vendor}.{model}"


def returned_model(provider: str | None, requested: str | None, returned: str | None) -> str | None:
    """The model that answered, unless that says less than what was asked for: on Bedrock, answers of Anthropic's models
    have Anthropic's name of the model, and only the id that was asked for says where it may be served, which has a
    price of its own. A profile of the caller's own says nothing of the model.

    Args:
        provider: OpenTelemetry's name of the provider.
        requested: the model that was asked for.
        returned: the model that the answer names.
    """
    if (
        provider == _BEDROCK
        and returned is not None
        and requested is not None
        and provider_of_model(requested) == _BEDROCK
        and provider_of_model(returned) is None
        and _OWN_PROFILE not in requested
    ):
        return None
    return returned


def without_provider(model: str | None, provider: str | None) -> str | None:
    """`openai/gpt-4o` of the provider `openai` is its `gpt-4o`; a vendor before a slash is part of other names."""
    if model is None or provider is None:
        return model
    prefix, slash, rest = model.partition("/")
    return rest if slash and rest and canonical(prefix) == provider else model
