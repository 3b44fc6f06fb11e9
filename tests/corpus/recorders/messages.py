"""Anthropic's Messages API for the stand-in: its input count leaves the cache out, and a write has a lifetime.

Of an input of 128 tokens or more, a tenth was written for five minutes and a twentieth for an hour, besides what was
read. A stream says 3 output tokens in `message_start` and the true count in `message_delta`, as the provider does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.testing.standin.openai import _count, _Handler

SNAPSHOTS: Final[Mapping[str, str]] = {"claude-sonnet-4-5": "claude-sonnet-4-5-20250929"}
_WORDS: Final = ("A ", "stand-in's ", "answer.")


class MessageTokens(NamedTuple):
    """Tokens as Anthropic bills them; `input` is what was neither read from nor written to the cache."""

    input: int
    cache_read: int
    write_5m: int
    write_1h: int
    output: int

    @classmethod
    def of(cls, text: str) -> MessageTokens:
        """As many as the text is long."""
        told = _count(text, "")
        write_5m, write_1h = (told.input // 10, told.input // 20) if told.cached else (0, 0)
        rest = told.input - told.cached - write_5m - write_1h
        return cls(rest, told.cached, write_5m, write_1h, told.output)

    def bill(self) -> dict[str, int]:
        """As `genai-cost price` takes it."""
        return {
            "input_tokens": self.input + self.cache_read + self.write_5m + self.write_1h,
            "output_tokens": self.output,
            "cache_read_tokens": self.cache_read,
            "cache_write_5m_tokens": self.write_5m,
            "cache_write_1h_tokens": self.write_1h,
        }

    def wire(self, output: int | None = None) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.write_5m + self.write_1h,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.write_5m,
                "ephemeral_1h_input_tokens": self.write_1h,
            },
            "output_tokens": self.output if output is None else output,
            "service_tier": "standard",
        }

    def normalised(self) -> dict[str, Any]:
        """As the corpus has it."""
        return {
            "cache_read": self.cache_read,
            "cache_write": self.write_5m + self.write_1h,
            "cache_write_1h": self.write_1h,
            "cache_write_5m": self.write_5m,
            "input_total": self.bill()["input_tokens"],
            "output_total": self.output,
            "raw_input_field": self.input,
            "raw_input_includes_cache": False,
            "service_tier": "standard",
        }


class MessagesHandler(_Handler):
    """Answers `/v1/messages` too."""

    def _answer(self, body: dict[str, Any], text: str) -> None:
        if not self.path.endswith("/messages"):
            super()._answer(body, text)
            return
        model = str(body.get("model"))
        returned, tokens = SNAPSHOTS.get(model, model), MessageTokens.of(text)
        message_id = self.standin.next_id("msg")
        self.standin.charge(body, returned, message_id, tokens)  # type: ignore[arg-type]
        message = {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": returned,
            "content": [{"type": "text", "text": "".join(_WORDS)}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": tokens.wire(),
        }
        if body.get("stream"):
            self._events(_events(message, tokens), text)
        else:
            self._json(200, message)

    def _events(self, events: Iterator[dict[str, Any]], text: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for n, event in enumerate(events):
                if n == 3 and "[disconnect]" in text:
                    return
                if "[slow]" in text:
                    time.sleep(0.05)
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            return  # the client went away; the answer stays on the bill


def _events(message: Mapping[str, Any], tokens: MessageTokens) -> Iterator[dict[str, Any]]:
    start = {**message, "content": [], "stop_reason": None, "usage": tokens.wire(output=3)}
    yield {"type": "message_start", "message": start}
    block = {"type": "text", "text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    for word in _WORDS:
        delta = {"type": "text_delta", "text": word}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": tokens.output}}
    yield {"type": "message_stop"}
