"""Which wire formats there are: one file a provider, with its `ROUTES`."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from otel_genai_cost.testing.standin.wire import Route

__all__ = ["FORMATS", "routes_of"]

FORMATS: Final = (
    "openai",
    "openai_batches",
    "openai_media",
    "gemini",
    "anthropic",
    "groq",
    "together",
    "mistral",
    "cohere",
    "ollama",
    "bedrock",
)
"""Files of this package. Where two have the same path, a request that names no provider is the first one's."""


def routes_of(providers: tuple[str, ...]) -> tuple[Route, ...]:
    """The routes of these providers, as their routes name them; of all if there are none.

    Args:
        providers: whose.

    Raises:
        ValueError: nobody has routes for one of them.
    """
    modules = [import_module(f"otel_genai_cost.testing.standin.{name}") for name in FORMATS]
    routes: list[Route] = [route for module in modules for route in module.ROUTES]
    unknown = set(providers) - {route.provider for route in routes}
    if unknown:
        raise ValueError(f"no wire format of {', '.join(sorted(unknown))}")
    return tuple(route for route in routes if not providers or route.provider in providers)
