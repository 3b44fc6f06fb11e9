"""How the `openai` client makes the calls of the contract."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import openai

from otel_genai_cost.testing.standin import Usage
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]

_WEATHER: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


def _messages(ask: Ask) -> list[Any]:
    return [{"role": "user", "content": ask.text}]


def _given(ask: Ask) -> dict[str, Any]:
    """Arguments of chat completions."""
    given: dict[str, Any] = {
        "model": ask.model,
        "messages": _messages(ask),
        "max_completion_tokens": ask.max_tokens,
    }
    if ask.tools:
        function = {"name": "weather", "parameters": _WEATHER}
        given["tools"] = [{"type": "function", "function": function}]
    return given if ask.tier is None else {**given, "service_tier": ask.tier}


class _OpenAI(Driver):
    library = "openai"
    provider = "openai"
    instrumentor = OpenAIInstrumentor
    model = "gpt-4o-mini"
    models: ClassVar = {"reasoning": "o4-mini", "service tier": "o4-mini"}

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
        "cache write": "gpt-5.6-luna",
        "embeddings": "text-embedding-3-small",
    }

    gaps: ClassVar = {"images": "not metered yet", "batch": "not metered yet"}
    usages: ClassVar = {
        "cache write": Usage(2_000, 300, cache_read_tokens=640, cache_write_tokens=200)
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

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat.completions.create(**_given(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        options = {"include_usage": True}
        return await client.chat.completions.create(
            **_given(ask), stream=True, stream_options=options
        )


DRIVERS: Final = (ChatCompletions(),)
