"""How LiteLLM makes the calls of the contract: of a provider that it sends to itself.

LiteLLM shares environments with few of the other clients, so it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any, ClassVar, Final

from otel_genai_instrumentors.clients.litellm import LiteLLMInstrumentor
from tests.contract.chats import chat_of
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]


def _given(client: dict[str, Any], ask: Ask) -> dict[str, Any]:
    return {**client, **chat_of(ask), "model": f"anthropic/{ask.model}"}


class AnthropicByLiteLLM(Driver):
    library = "litellm"
    name = "Anthropic"
    provider = "anthropic"
    instrumentor = LiteLLMInstrumentor
    model = "claude-opus-4-7"
    stalls_after = 4
    gaps: ClassVar = {
        "stream closed": "LiteLLM's sync streams cannot be closed",
        "429 with retry": "each attempt of LiteLLM's is a call of its own",
        "service tier": "LiteLLM asks Anthropic for no tier",
        "audio": "the provider has no audio",
        "embeddings": "the provider has no embeddings",
        "images": "the provider makes no images",
        "stream without usage asked": "usage always comes",
        "batch": "results are fetched with the provider's own client",
    }

    @contextmanager
    def client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> Generator[dict[str, Any]]:
        """What every call is given."""
        yield {"api_base": url, "api_key": "k", "num_retries": retries, "timeout": timeout_s}

    @asynccontextmanager
    async def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> AsyncGenerator[dict[str, Any]]:
        """What every call is given. LiteLLM keeps clients, which older versions take into another event loop."""
        _litellm().in_memory_llm_clients_cache.flush_cache()
        yield {"api_base": url, "api_key": "k", "num_retries": retries, "timeout": timeout_s}

    def chat(self, client: Any, ask: Ask) -> None:
        _litellm().completion(**_given(client, ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return _litellm().completion(**_given(client, ask), stream=True)

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await _litellm().acompletion(**_given(client, ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await _litellm().acompletion(**_given(client, ask), stream=True)


def _litellm() -> Any:
    return import_module("litellm")


DRIVERS: Final = (AnthropicByLiteLLM(),)
