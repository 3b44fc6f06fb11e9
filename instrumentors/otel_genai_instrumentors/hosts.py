"""Who answers at a host: several providers speak another one's protocol, and the prices are their own."""

from __future__ import annotations

from typing import Final

__all__ = ["provider_at"]

_PROVIDERS: Final = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.openai",
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


def provider_at(host: str | None) -> str | None:
    """The provider whose host it is; None for a gateway or a host that is not known."""
    dotted = f".{(host or '').lower()}"
    return next((name for end, name in _PROVIDERS.items() if dotted.endswith(f".{end}")), None)
