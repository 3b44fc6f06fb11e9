"""Whose endpoint a host is, and in which region: one table for the reading of spans and for the clients.

Clients of one provider are pointed at another's endpoint, since several speak OpenAI's protocol, and prices are those
of whoever answers.

A host alone says who answers, since that is all that most spans have. Azure's names for one resource,
`*.openai.azure.com`, `*.services.ai.azure.com` and `*.cognitiveservices.azure.com`, serve the same deployments; what
OpenAI's client reaches there is Azure OpenAI. Spans of Azure's inference client say themselves that they are of
`azure.ai.inference`, and price books list both as one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["NOWHERE", "Place", "configure", "other_hosts", "place_of", "regional_hosts"]


class Place(NamedTuple):
    """Provider by its OpenTelemetry name, and region; None where the host does not say."""

    provider: str | None
    region: str | None


NOWHERE: Final = Place(None, None)

_PROVIDERS: Final[Mapping[str, str]] = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "models.inference.ai.azure.com": "github_models",
    "inference.ai.azure.com": "azure.ai.inference",
    "models.github.ai": "github_models",
    "api.anthropic.com": "anthropic",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "api.deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.x.ai": "x_ai",
    "api.mistral.ai": "mistral_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.eu.mistral.ai": "mistral_ai",
    "api.us.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.together.xyz": "together_ai",
    "api.together.ai": "together_ai",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
    "api.sambanova.ai": "sambanova",
    "api.deepinfra.com": "deepinfra",
    "api.novita.ai": "novita",
    "tokenfactory.nebius.com": "nebius",
    "studio.nebius.com": "nebius",
    "studio.nebius.ai": "nebius",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.z.ai": "zai",
    "api.minimax.io": "minimax",
    "dashscope.aliyuncs.com": "dashscope",
    "dashscope-intl.aliyuncs.com": "dashscope",
    "dashscope-us.aliyuncs.com": "dashscope",
    "ai-gateway.vercel.sh": "vercel_ai_gateway",
    "router.huggingface.co": "huggingface",
}
"""A host, or the end of it behind a dot; the first that fits."""

_REGIONAL: Final = (
    (
        re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"),
        "aws.bedrock",
    ),
    (re.compile(r"bedrock-mantle\.([a-z0-9-]+)\.api\.aws"), "aws.bedrock"),
    (re.compile(r"([a-z0-9-]+)-aiplatform\.googleapis\.com"), "gcp.vertex_ai"),
    (re.compile(r"aiplatform\.([a-z0-9-]+)\.rep\.googleapis\.com"), "gcp.vertex_ai"),
)
"""Hosts that name a region."""

_HOST_LENGTH_MAX: Final = 256


class _Settings:
    named: Mapping[str, str] = {}


def configure(named: Mapping[str, str]) -> None:
    """Set up whose endpoints a team's own hosts are. Called once, at activation.

    Args:
        named: Host -> provider; a host that begins with a dot stands for all below it. They go before the table.
    """
    _Settings.named = {host.casefold(): provider for host, provider in named.items()}
    place_of.cache_clear()


def _named(host: str) -> str | None:
    """The provider by which the team names a host."""
    if (own := _Settings.named.get(host)) is not None:
        return own
    endings = (one for one in _Settings.named if one.startswith(".") and host.endswith(one))
    return next((_Settings.named[one] for one in endings), None)


@lru_cache(maxsize=512)
def place_of(host: str) -> Place:
    """Whose endpoint a host is.

    Args:
        host: its name, without scheme, port and path.

    Returns:
        Provider and region; `NOWHERE` for a gateway or a host that is not known.
    """
    if len(host) > _HOST_LENGTH_MAX:
        return NOWHERE
    name = host.casefold()
    if (provider := _named(name)) is not None:
        return Place(provider, None)
    for pattern, provider in _REGIONAL:
        if (found := pattern.fullmatch(name)) is not None:
            return Place(provider, found[1])
    ending = next((one for one in _PROVIDERS if f".{name}".endswith(f".{one}")), None)
    return NOWHERE if ending is None else Place(_PROVIDERS[ending], None)


def regional_hosts() -> str:
    """A regular expression for the hosts that name a region."""
    return "|".join(f"^{pattern.pattern}$" for pattern, _ in _REGIONAL)


def other_hosts(providers: Collection[str]) -> str:
    """A regular expression for the endpoints of everybody but these providers."""
    ends = [re.escape(host) for host, provider in _PROVIDERS.items() if provider not in providers]
    regional = [f"^{one.pattern}$" for one, provider in _REGIONAL if provider not in providers]
    return "|".join((rf"(?:^|\.)(?:{'|'.join(ends)})$", *regional))
