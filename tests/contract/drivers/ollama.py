"""How the `ollama` client makes the calls of the contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Final

import ollama

from otel_genai_instrumentors.clients.ollama import OllamaInstrumentor
from tests.contract.chats import WEATHER_TOOL
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]


def _given(ask: Ask) -> dict[str, Any]:
    return {
        "model": ask.model,
        "messages": [{"role": "user", "content": ask.text}],
        "options": {"num_predict": ask.max_tokens},
        **({"tools": [WEATHER_TOOL]} if ask.tools else {}),
    }


class Chat(Driver):
    library = "ollama"
    name = "chat"
    provider = "ollama"
    instrumentor = OllamaInstrumentor
    model = "llama3.2"
    is_priced = False
    gaps: ClassVar = {
        "429 with retry": "the client makes no request anew",
        "audio": "not in the API",
        "batch": "not in the API",
        "cache write": "not in the API",
        "cached": "the client drops how much of the prompt the server still had",
        "images": "not in the API",
        "reasoning": "thoughts are counted in the answer, and not apart",
        "service tier": "not in the API",
        "stream without usage asked": "usage always comes",
    }

    @contextmanager
    def client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> Generator[ollama.Client]:
        made: Any = ollama.Client(host=url, timeout=timeout_s)
        with made if hasattr(made, "__exit__") else made._client:  # before 0.6 it is no context
            yield made

    @asynccontextmanager
    async def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> AsyncGenerator[ollama.AsyncClient]:
        made: Any = ollama.AsyncClient(host=url, timeout=timeout_s)
        async with made if hasattr(made, "__aexit__") else made._client:
            yield made

    def chat(self, client: Any, ask: Ask) -> None:
        client.chat(**_given(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.chat(**_given(ask), stream=True)

    def embeddings(self, client: Any, ask: Ask) -> None:
        client.embed(ask.model, ask.text)

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat(**_given(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await client.chat(**_given(ask), stream=True)

    async def async_close(self, stream: Any) -> None:
        await stream.aclose()


class Generate(Chat):
    name = "generate"
    gaps: ClassVar = {**Chat.gaps, "tools": "not in the API", "embeddings": "made by `embed` alone"}

    def chat(self, client: Any, ask: Ask) -> None:
        client.generate(ask.model, ask.text, options={"num_predict": ask.max_tokens})

    def stream(self, client: Any, ask: Ask) -> Any:
        limit = {"num_predict": ask.max_tokens}
        return client.generate(ask.model, ask.text, options=limit, stream=True)

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.generate(ask.model, ask.text, options={"num_predict": ask.max_tokens})

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        limit = {"num_predict": ask.max_tokens}
        return await client.generate(ask.model, ask.text, options=limit, stream=True)


DRIVERS: Final = (Chat(), Generate())
