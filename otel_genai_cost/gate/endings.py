"""How a stream is ended before its time so that clients read it as one that came to its end: in each format the event
that says that the limit of tokens was reached, and what must follow it.

The format is told by what a stream has said, as everywhere, not by where it comes from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from zlib import crc32

from otel_genai_cost.usage.read import NOTHING
from otel_genai_cost.usage.values import Object, as_object, objects

__all__ = ["Seen"]

_ANTHROPIC: Final = frozenset(
    {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "ping"}
)
_CHUNK_KEYS: Final = ("id", "object", "created", "model", "system_fingerprint")
_GEMINI_KEYS: Final = ("modelVersion", "responseId")
_TEXT_HEADER: Final = 7
"""The type of a header's value in AWS's event stream."""


class Seen:
    """What an event stream has said that its end has to fit."""

    def __init__(self) -> None:
        self._form: str | None = None
        self._last: Object = NOTHING
        self._first: Object = NOTHING
        self._open: set[int] = set()
        self._choices: set[int] = set()

    def take(self, event: Object) -> None:
        """Note an event that was passed on."""
        if not event:
            return
        self._last = event
        if self._form is None:
            self._form, self._first = _form_of(event), event
        kind, index = event.get("type"), event.get("index")
        if isinstance(index, int):
            if kind == "content_block_start":
                self._open.add(index)
            elif kind == "content_block_stop":
                self._open.discard(index)
        for choice in objects(event.get("choices")):
            if isinstance(choice.get("index"), int):
                self._choices.add(choice["index"])

    def ending(self, content_type: str, tokens: int) -> bytes:
        """The bytes that end the stream.

        Args:
            content_type: of the stream.
            tokens: what it is likely to have written, for formats whose end must say so.

        Returns:
            Nothing where the format is not known: the stream just ends.
        """
        if content_type.startswith("application/vnd.amazon.eventstream"):
            return _frame("messageStop", {"stopReason": "max_tokens"})
        write = _ENDINGS.get(self._form or "")
        return b"" if write is None else b"".join(write(self, tokens))

    def _of_chat(self, _: int) -> Iterator[bytes]:
        said = {key: self._last[key] for key in _CHUNK_KEYS if key in self._last}
        delta: dict[str, Any] = {"text": ""} if said.get("object") == "text_completion" else {}
        choices = [
            {"index": n, **(delta or {"delta": {}}), "finish_reason": "length"}
            for n in sorted(self._choices or {0})
        ]
        yield _data({**said, "choices": choices})
        yield b"data: [DONE]\n\n"

    def _of_responses(self, _: int) -> Iterator[bytes]:
        number = self._last.get("sequence_number")
        response = {
            **as_object(self._first.get("response")),
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
        }
        said: dict[str, Any] = {"type": "response.incomplete", "response": response}
        if isinstance(number, int):
            said["sequence_number"] = number + 1
        yield _named(said)

    def _of_messages(self, tokens: int) -> Iterator[bytes]:
        for index in sorted(self._open):
            yield _named({"type": "content_block_stop", "index": index})
        delta = {"stop_reason": "max_tokens", "stop_sequence": None}
        usage = {"output_tokens": tokens}
        yield _named({"type": "message_delta", "delta": delta, "usage": usage})
        yield _named({"type": "message_stop"})

    def _of_gemini(self, _: int) -> Iterator[bytes]:
        said = {key: self._last[key] for key in _GEMINI_KEYS if key in self._last}
        content = {"role": "model", "parts": [{"text": ""}]}
        candidate = {"content": content, "finishReason": "MAX_TOKENS", "index": 0}
        yield _data({"candidates": [candidate], **said})

    def _of_cohere(self, _: int) -> Iterator[bytes]:
        delta = {"finish_reason": "MAX_TOKENS"}
        yield _named({"type": "message-end", "delta": delta})

    def _of_ollama(self, _: int) -> Iterator[bytes]:
        said = {key: self._last[key] for key in ("model", "created_at") if key in self._last}
        empty = {"message": {"role": "assistant", "content": ""}}
        text = {"response": ""} if "response" in self._last else empty
        yield _json({**said, **text, "done": True, "done_reason": "length"}) + b"\n"


_ENDINGS: Final[Mapping[str, Callable[[Seen, int], Iterator[bytes]]]] = {
    "chat": Seen._of_chat,  # pyright: ignore[reportPrivateUsage]
    "responses": Seen._of_responses,  # pyright: ignore[reportPrivateUsage]
    "messages": Seen._of_messages,  # pyright: ignore[reportPrivateUsage]
    "gemini": Seen._of_gemini,  # pyright: ignore[reportPrivateUsage]
    "cohere": Seen._of_cohere,  # pyright: ignore[reportPrivateUsage]
    "ollama": Seen._of_ollama,  # pyright: ignore[reportPrivateUsage]
}


def _form_of(event: Object) -> str | None:
    kind = event.get("type")
    if isinstance(kind, str):
        if kind.startswith("response."):
            return "responses"
        if kind in _ANTHROPIC:
            return "messages"
        return "cohere" if kind.startswith(("message-", "content-")) else None
    for key, form in (("choices", "chat"), ("candidates", "gemini"), ("done", "ollama")):
        if key in event:
            return form
    return None


def _json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def _data(said: Mapping[str, Any]) -> bytes:
    return b"data: " + _json(said) + b"\n\n"


def _named(said: Mapping[str, Any]) -> bytes:
    return b"event: " + str(said["type"]).encode() + b"\n" + _data(said)


def _frame(event: str, said: Mapping[str, Any]) -> bytes:
    """A frame of AWS's event stream: lengths, their checksum, headers, payload, the checksum of all."""
    named = {
        ":event-type": event,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    headers = b"".join(
        bytes((len(name),))
        + name.encode()
        + bytes((_TEXT_HEADER,))
        + len(value).to_bytes(2, "big")
        + value.encode()
        for name, value in named.items()
    )
    payload = _json(said)
    lengths = (len(headers) + len(payload) + 16).to_bytes(4, "big") + len(headers).to_bytes(
        4, "big"
    )
    frame = lengths + crc32(lengths).to_bytes(4, "big") + headers + payload
    return frame + crc32(frame).to_bytes(4, "big")
