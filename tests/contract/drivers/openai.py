"""How the `openai` client makes the calls of the contract."""

from __future__ import annotations

import io
import json
from importlib.util import find_spec
from typing import Any, ClassVar, Final

import openai

from otel_genai_cost.testing.standin import Usage
from otel_genai_cost.testing.standin.words import tenant_of
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.contract.chats import WEATHER, chat_of
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]


def _given(ask: Ask) -> dict[str, Any]:
    """Arguments of chat completions."""
    given = chat_of(ask)
    return given if ask.tier is None else {**given, "service_tier": ask.tier}


class _OpenAI(Driver):
    library = "openai"
    provider = "openai"
    instrumentor = OpenAIInstrumentor
    model = "gpt-4o-mini"
    models: ClassVar = {
        "reasoning": "o4-mini",
        "service tier": "o4-mini",
        "cache write": "gpt-5.6-luna",
    }
    usages: ClassVar = {
        "cache write": Usage(2_000, 300, cache_read_tokens=640, cache_write_tokens=200)
    }

    def client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{url}/v1", api_key="k", max_retries=retries, timeout=timeout_s
        )

    def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key="k", max_retries=retries, timeout=timeout_s
        )


class ChatCompletions(_OpenAI):
    name = "chat completions"
    models: ClassVar = {
        **_OpenAI.models,
        "audio": "gpt-4o-audio-preview",
        "embeddings": "text-embedding-3-small",
        "images": "gpt-image-1",
    }

    usages: ClassVar = {
        **_OpenAI.usages,
        "images": Usage(24, 272, output_image_tokens=272),
    }

    def chat(self, client: Any, ask: Ask) -> None:
        client.chat.completions.create(**_given(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        options = {"include_usage": True}
        return client.chat.completions.create(**_given(ask), stream=True, stream_options=options)

    def stream_unasked(self, client: Any, ask: Ask) -> Any:
        return client.chat.completions.create(**_given(ask), stream=True)

    def embeddings(self, client: Any, ask: Ask) -> None:
        client.embeddings.create(model=ask.model, input=ask.text)

    def images(self, client: Any, ask: Ask) -> None:
        client.images.generate(model=ask.model, prompt=ask.text)

    def batch(self, client: Any, ask: Ask) -> None:
        _batched(client, ask, "/v1/chat/completions", _given(ask))

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat.completions.create(**_given(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        options = {"include_usage": True}
        return await client.chat.completions.create(
            **_given(ask), stream=True, stream_options=options
        )


def _batched(client: Any, ask: Ask, path: str, body: dict[str, Any]) -> None:
    """A batch of one line, and its results."""
    line = {"custom_id": "1", "method": "POST", "url": path, "body": body}
    content = io.BytesIO(json.dumps(line).encode())
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    made = client.batches.create(
        input_file_id=file.id,
        endpoint=path,
        completion_window="24h",
        metadata={"user_id": tenant_of(ask.text)},
    )
    client.files.content(client.batches.retrieve(made.id).output_file_id)


def _asked(ask: Ask) -> dict[str, Any]:
    """Arguments of responses."""
    given: dict[str, Any] = {
        "model": ask.model,
        "input": ask.text,
        "max_output_tokens": ask.max_tokens,
    }
    if ask.tools:
        given["tools"] = [{"type": "function", "name": "weather", "parameters": WEATHER}]
    return given if ask.tier is None else {**given, "service_tier": ask.tier}


class Responses(_OpenAI):
    name = "responses"
    gaps: ClassVar = {
        "audio": "the API takes none",
        "embeddings": "other calls of the client, see chat completions",
        "images": "other calls of the client, see chat completions",
    }

    def chat(self, client: Any, ask: Ask) -> None:
        client.responses.create(**_asked(ask))

    def batch(self, client: Any, ask: Ask) -> None:
        _batched(client, ask, "/v1/responses", _asked(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.responses.create(**_asked(ask), stream=True)

    stream_unasked = stream

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.responses.create(**_asked(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await client.responses.create(**_asked(ask), stream=True)


_HAS_RESPONSES: Final = find_spec("openai.resources.responses") is not None
"""Which versions before 1.66 have not."""

DRIVERS: Final[tuple[Driver, ...]] = (
    (ChatCompletions(), Responses()) if _HAS_RESPONSES else (ChatCompletions(),)
)
