"""How the `anthropic` client makes the calls of the contract."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import anthropic

from otel_genai_instrumentors.clients.anthropic import AnthropicInstrumentor
from tests.contract.chats import WEATHER
from tests.contract.driver import Ask, Driver

__all__ = ["DRIVERS"]


def _given(ask: Ask) -> dict[str, Any]:
    given: dict[str, Any] = {
        "model": ask.model,
        "max_tokens": ask.max_tokens,
        "messages": [{"role": "user", "content": ask.text}],
    }
    if ask.tools:
        given["tools"] = [{"name": "weather", "input_schema": WEATHER}]
    return given if ask.tier is None else {**given, "extra_body": {"service_tier": "auto"}}


class Messages(Driver):
    library = "anthropic"
    name = "messages"
    provider = "anthropic"
    instrumentor = AnthropicInstrumentor
    model = "claude-opus-4-7"
    tier = "priority"
    gaps: ClassVar = {
        "audio": "the API has no audio",
        "embeddings": "the API has no embeddings",
        "images": "the API makes no images",
        "stream without usage asked": "usage always comes",
    }

    def client(self, url: str, *, retries: int = 0, timeout_s: float = 30) -> anthropic.Anthropic:
        return anthropic.Anthropic(
            base_url=url, api_key="k", max_retries=retries, timeout=timeout_s
        )

    def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(
            base_url=url, api_key="k", max_retries=retries, timeout=timeout_s
        )

    def chat(self, client: Any, ask: Ask) -> None:
        client.messages.create(**_given(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.messages.create(**_given(ask), stream=True)

    def batch(self, client: Any, ask: Ask) -> None:
        requests: list[Any] = [{"custom_id": "one", "params": _given(ask)}]
        made = client.messages.batches.create(requests=requests)
        assert len(list(client.messages.batches.results(made.id))) == 1

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.messages.create(**_given(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await client.messages.create(**_given(ask), stream=True)


DRIVERS: Final = (Messages(),)
