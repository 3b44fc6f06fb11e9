"""How the `groq` client makes the calls of the contract."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import groq

from otel_genai_instrumentors.clients.groq import GroqInstrumentor
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]

_WEATHER: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


def _given(ask: Ask) -> dict[str, Any]:
    given: dict[str, Any] = {
        "model": ask.model,
        "messages": [{"role": "user", "content": ask.text}],
        "max_tokens": ask.max_tokens,
    }
    if ask.tools:
        function = {"name": "weather", "parameters": _WEATHER}
        given["tools"] = [{"type": "function", "function": function}]
    return given if ask.tier is None else {**given, "extra_body": {"service_tier": ask.tier}}


class Chat(Driver):
    library = "groq"
    name = "chat completions"
    provider = "groq"
    instrumentor = GroqInstrumentor
    model = "openai/gpt-oss-120b"
    tier = "on_demand"
    gaps: ClassVar = {
        "cache write": "the API reports no cache writes",
        "audio": "chat has no audio; a recording's length, which is billed, is an estimate where it is said at all",
        "embeddings": "the price book has no embedding model of Groq",
        "images": "the API makes no images",
        "batch": "not metered: the results are a file that the client does not read",
    }

    def client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> groq.Groq:
        return groq.Groq(base_url=url, api_key="k", max_retries=retries, timeout=timeout_s)

    def async_client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> groq.AsyncGroq:
        return groq.AsyncGroq(base_url=url, api_key="k", max_retries=retries, timeout=timeout_s)

    def chat(self, client: Any, ask: Ask) -> None:
        client.chat.completions.create(**_given(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.chat.completions.create(**_given(ask), stream=True)

    def stream_unasked(self, client: Any, ask: Ask) -> Any:
        return self.stream(client, ask)

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat.completions.create(**_given(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await client.chat.completions.create(**_given(ask), stream=True)


DRIVERS: Final = (Chat(),)
