"""How the `cohere` client makes the calls of the contract, by both versions of the API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Final

import cohere
import httpx
from cohere.environment import ClientEnvironment

from otel_genai_instrumentors.clients.cohere import CohereInstrumentor
from tests.contract.chats import chat_of
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]

_ROOT: Final = "/v1" if "/v1" in str(ClientEnvironment.PRODUCTION.value) else ""
"""What belongs to the base URL of an old version, and to the paths of a newer one."""

_WEATHER: Final = {
    "name": "weather",
    "description": "How the weather is.",
    "parameter_definitions": {"city": {"type": "str", "required": True}},
}


class Second(Driver):
    library = "cohere"
    name = "API version 2"
    provider = "cohere"
    instrumentor = CohereInstrumentor
    model = "command-a-03-2025"
    batch_is_priced = False
    models: ClassVar = {"embeddings": "embed-v4.0"}
    gaps: ClassVar = {
        "audio": "not in the API",
        **({} if hasattr(cohere.Client, "batches") else {"batch": "this version has none"}),
        "cache write": "not in the API",
        "cached": "cached tokens are billed like the rest of the input, and reported beside the bill",
        "images": "not in the API",
        "reasoning": "thoughts are counted in the answer, and not apart",
        "service tier": "not in the API",
        "stream without usage asked": "usage always comes",
    }

    def kind(self, prefix: str) -> Any:
        """The class of the client."""
        return getattr(cohere, f"{prefix}ClientV2")

    @contextmanager
    def client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> Generator[Any]:
        self._anew = {"max_retries": retries}
        with httpx.Client(timeout=timeout_s) as sender:
            yield self.kind("")("k", base_url=url + _ROOT, httpx_client=sender)

    @asynccontextmanager
    async def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> AsyncGenerator[Any]:
        self._anew = {"max_retries": retries}
        async with httpx.AsyncClient(timeout=timeout_s) as sender:
            yield self.kind("Async")("k", base_url=url + _ROOT, httpx_client=sender)

    def chat(self, client: Any, ask: Ask) -> None:
        client.chat(**chat_of(ask), request_options=self._anew)

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.chat_stream(**chat_of(ask))

    def embeddings(self, client: Any, ask: Ask) -> None:
        client.embed(
            model=ask.model,
            texts=[ask.text],
            input_type="search_query",
            embedding_types=["float"],
        )

    def batch(self, client: Any, ask: Ask) -> None:
        asked = {"name": ask.text, "input_dataset_id": "ds-1", "model": ask.model}
        made = client.batches.create(request=asked)
        client.batches.retrieve(made.batch.id)

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat(**chat_of(ask), request_options=self._anew)

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return client.chat_stream(**chat_of(ask))

    async def async_close(self, stream: Any) -> None:
        await stream.aclose()


class First(Second):
    name = "API version 1"
    models: ClassVar = {"embeddings": "embed-english-v3.0"}

    def kind(self, prefix: str) -> Any:
        return getattr(cohere, f"{prefix}Client")

    def chat(self, client: Any, ask: Ask) -> None:
        client.chat(
            model=ask.model,
            message=ask.text,
            max_tokens=ask.max_tokens,
            request_options=self._anew,
            **({"tools": [_WEATHER]} if ask.tools else {}),
        )

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.chat_stream(model=ask.model, message=ask.text, max_tokens=ask.max_tokens)

    def embeddings(self, client: Any, ask: Ask) -> None:
        client.embed(model=ask.model, texts=[ask.text], input_type="search_query")

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat(
            model=ask.model, message=ask.text, max_tokens=ask.max_tokens, request_options=self._anew
        )

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return client.chat_stream(model=ask.model, message=ask.text, max_tokens=ask.max_tokens)


DRIVERS: Final[tuple[Driver, ...]] = (
    (Second(), First()) if hasattr(cohere, "ClientV2") else (First(),)
)
