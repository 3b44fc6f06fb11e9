"""How the `google-genai` client makes the calls of the contract, with Gemini's API and with Vertex AI."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Final

import google.genai as genai
from google.genai import types

from otel_genai_cost.testing.standin import Usage
from otel_genai_instrumentors.clients.google_genai import GoogleGenAIInstrumentor
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]

_CAN_RETRY: Final = hasattr(types, "HttpRetryOptions")
"""Which the first versions cannot."""

_FIRST_VERSIONS: Final = {
    "429 with retry": "the client does not retry",
    "cancelled call": "an async call is a thread, which cannot be cancelled",
    "stream cancelled": "an async stream is read in a thread, which cannot be cancelled",
    "batch": "the client takes no batches without a bucket",
}

_WEATHER: Final = types.FunctionDeclaration(
    name="weather",
    parameters=types.Schema(
        type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}
    ),
)


def _given(ask: Ask) -> dict[str, Any]:
    config: dict[str, Any] = {"max_output_tokens": ask.max_tokens}
    if ask.tools:
        config["tools"] = [types.Tool(function_declarations=[_WEATHER])]
    return {"model": ask.model, "contents": ask.text, "config": config}


def _options(url: str, retries: int, timeout_s: float) -> types.HttpOptions:
    given: dict[str, Any] = {"base_url": url, "timeout": int(timeout_s * 1000)}
    if _CAN_RETRY:
        given["retry_options"] = types.HttpRetryOptions(
            attempts=retries + 1, initial_delay=0.01, jitter=0
        )
    return types.HttpOptions(**given)


class GenerateContent(Driver):
    library = "google-genai"
    name = "Gemini API"
    provider = "gcp.gemini"
    instrumentor = GoogleGenAIInstrumentor
    model = "gemini-2.5-flash"
    models: ClassVar = {"images": "gemini-2.5-flash-image", "embeddings": "gemini-embedding-001"}
    usages: ClassVar = {
        "audio": Usage(1_200, 300, input_audio_tokens=800),
        "images": Usage(20, 1_290, output_image_tokens=1_290),
    }
    options: ClassVar = {"embeddings": {"embedding_usage": True}}
    gaps: ClassVar = {
        "cache write": "a cache is made by a call of its own, and reported by its lifetime",
        "stream without usage asked": "usage always comes",
        **({} if _CAN_RETRY else _FIRST_VERSIONS),
    }

    def _client(self, options: types.HttpOptions) -> genai.Client:
        return genai.Client(api_key="k", http_options=options)

    @contextmanager
    def client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> Generator[genai.Client]:
        client = self._client(_options(url, retries, timeout_s))
        try:
            yield client
        finally:
            _close(client)

    @asynccontextmanager
    async def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> AsyncGenerator[genai.Client]:
        client = self._client(_options(url, retries, timeout_s))
        try:
            yield client
        finally:
            if hasattr(client.aio, "aclose"):
                await client.aio.aclose()
            _close(client)

    def chat(self, client: Any, ask: Ask) -> None:
        client.models.generate_content(**_given(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.models.generate_content_stream(**_given(ask))

    def embeddings(self, client: Any, ask: Ask) -> None:
        client.models.embed_content(model=ask.model, contents=ask.text)

    def images(self, client: Any, ask: Ask) -> None:
        self.chat(client, ask)

    def batch(self, client: Any, ask: Ask) -> None:
        asked = [{"contents": [{"role": "user", "parts": [{"text": ask.text}]}]}]
        made = client.batches.create(model=ask.model, src=asked)
        assert len(client.batches.get(name=made.name).dest.inlined_responses) == 1

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.aio.models.generate_content(**_given(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await client.aio.models.generate_content_stream(**_given(ask))


def _close(client: genai.Client) -> None:
    """The first versions have nothing to close."""
    if hasattr(client, "close"):
        client.close()


DRIVERS: Final = (GenerateContent(),)
