"""Calls of the contract in OpenAI's format, which most clients speak."""

from __future__ import annotations

from typing import Any, Final

from tests.contract.driver import Ask, Driver

__all__ = ["WEATHER", "WEATHER_TOOL", "ChatCompletions", "chat_of"]

WEATHER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
"""The arguments of the one tool."""

WEATHER_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {"name": "weather", "parameters": WEATHER},
}


def chat_of(ask: Ask) -> dict[str, Any]:
    """The arguments of a chat, but for the tier, which clients take in ways of their own."""
    given: dict[str, Any] = {
        "model": ask.model,
        "messages": [{"role": "user", "content": ask.text}],
        "max_tokens": ask.max_tokens,
    }
    return {**given, "tools": [WEATHER_TOOL]} if ask.tools else given


class ChatCompletions(Driver):
    """A client that has `chat.completions.create`, whose streams bring their usage unasked."""

    name = "chat completions"

    def given(self, ask: Ask) -> dict[str, Any]:
        """The arguments of a call."""
        return chat_of(ask)

    def chat(self, client: Any, ask: Ask) -> None:
        client.chat.completions.create(**self.given(ask))

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.chat.completions.create(**self.given(ask), stream=True)

    def stream_unasked(self, client: Any, ask: Ask) -> Any:
        return client.chat.completions.create(**self.given(ask), stream=True)

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat.completions.create(**self.given(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await client.chat.completions.create(**self.given(ask), stream=True)
