"""What is known of hosts: who answers there, since several providers speak another one's protocol and the prices are
their own, and which of them are to be asked for the usage of a stream.

A host that is asked for what it does not know refuses the whole call: Mistral, Azure before September 2024 and Azure
on your data do. OpenRouter, Mistral, Groq, DeepSeek, Perplexity, Together and Fireworks tell usage unasked. So only
those are asked that are known both to understand it and to say nothing otherwise; a team may name further ones.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["asks_for_usage", "provider_at"]

_PROVIDERS: Final = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "api.deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "api.x.ai": "x_ai",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "generativelanguage.googleapis.com": "gcp.gemini",
}
"""Host, or the end of it behind a dot -> provider, as OpenTelemetry names it where it does."""


class _Asked(NamedTuple):
    """Where `stream_options.include_usage` is understood and needed. `since` is the first dated API version that knows
    it, where there are such; versions without a date are newer."""

    path: str = "/"
    since: str = ""


_AZURE: Final = _Asked("/openai/", "2024-09-01")
_USAGE_ON_REQUEST: Final = {
    "api.openai.com": _Asked(),
    "openai.azure.com": _AZURE,
    "services.ai.azure.com": _AZURE,
    "cognitiveservices.azure.com": _AZURE,
}
_UNDATED_PATH: Final = "/openai/v1"


def provider_at(host: str | None) -> str | None:
    """The provider whose host it is; None for a gateway or a host that is not known."""
    ending = _ending(host, _PROVIDERS)
    return None if ending is None else _PROVIDERS[ending]


def asks_for_usage(host: str | None, path: str, api_version: str | None) -> bool:
    """Whether a stream from there has its usage only if asked, and asking is understood."""
    ending = _ending(host, _USAGE_ON_REQUEST)
    if ending is None:
        return False
    asked = _USAGE_ON_REQUEST[ending]
    if not path.startswith(asked.path):
        return False
    if not asked.since or path.startswith(_UNDATED_PATH):
        return True
    return api_version is not None and (
        not api_version[:1].isdigit() or api_version[:10] >= asked.since
    )


def _ending(host: str | None, table: dict[str, _Asked] | dict[str, str]) -> str | None:
    dotted = f".{(host or '').lower()}"
    return next((ending for ending in table if dotted.endswith(f".{ending}")), None)
