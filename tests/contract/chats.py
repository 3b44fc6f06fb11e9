"""Calls of the contract in OpenAI's format, which most clients speak."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.contract.driver import Ask, Driver

__all__ = ["WEATHER", "WEATHER_TOOL", "ChatCompletions", "batch_line", "chat_of"]

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


def batch_line(ask: Ask) -> bytes:
    """A line of a batch, in OpenAI's format."""
    body = chat_of(ask)
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line).encode()


class ChatCompletions(Driver):
    """A client that has `chat.completions.create`, whose streams bring their usage unasked."""

    name = "chat completions"

    def given(self, ask: Ask) -> dict[str, Any]:
        """The arguments of a call."""
        return chat_of(ask)

    def chat(self, client: Any, ask: Ask) -> None:
        client.chat.completions.create(**self.given(ask))

    def upload(self, client: Any, content: bytes) -> str:
        """The id of a file of a batch's lines."""
        file_id: str = client.files.create(file=("lines.jsonl", content), purpose="batch").id
        return file_id

    def batch(self, client: Any, ask: Ask) -> None:
        made = client.batches.create(
            input_file_id=self.upload(client, batch_line(ask)),
            endpoint="/v1/chat/completions",
            completion_window="24h",
        )
        batch_id = made.job.id if hasattr(made, "job") else made.id
        client.files.content(client.batches.retrieve(batch_id).output_file_id)

    def stream(self, client: Any, ask: Ask) -> Any:
        return client.chat.completions.create(**self.given(ask), stream=True)

    def stream_unasked(self, client: Any, ask: Ask) -> Any:
        return client.chat.completions.create(**self.given(ask), stream=True)

    async def async_chat(self, client: Any, ask: Ask) -> None:
        await client.chat.completions.create(**self.given(ask))

    async def async_stream(self, client: Any, ask: Ask) -> Any:
        return await client.chat.completions.create(**self.given(ask), stream=True)
