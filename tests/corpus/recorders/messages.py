"""Anthropic's Messages API for the recordings: its input count leaves the cache out, and a write has a lifetime.

Of an input of 128 tokens or more, a tenth was written for five minutes and a twentieth for an hour, besides what was
read. A stream says 3 output tokens in `message_start` and the true count in `message_delta`, as the provider does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.testing.standin import Usage
from otel_genai_cost.testing.standin.wire import EVENTS, Call, Reply, Route, event
from otel_genai_cost.testing.standin.words import usage_of

__all__ = ["ROUTES", "message", "usage_of_message", "wire"]

SNAPSHOTS: Final[Mapping[str, str]] = {"claude-sonnet-4-5": "claude-sonnet-4-5-20250929"}


def usage_of_message(text: str) -> Usage:
    """As much as the text is long."""
    usage = usage_of(text, "")
    if not usage.cache_read_tokens:
        return usage
    written = {"cache_write_5m_tokens": 10, "cache_write_1h_tokens": 20}
    return usage._replace(**{key: usage.input_tokens // part for key, part in written.items()})


def wire(usage: Usage, output: int | None = None) -> dict[str, Any]:
    """Usage as the API reports it."""
    return {
        "input_tokens": usage.fresh,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens if output is None else output,
        "service_tier": "standard",
    }


def message(call: Call, message_id: str, model: str, usage: Usage) -> dict[str, Any]:
    """A whole message."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": call.said}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": wire(usage),
    }


def _messages(call: Call) -> Reply:
    usage, model = usage_of_message(call.text), call.returned(SNAPSHOTS)
    whole = message(call, call.new_id("msg-"), model, usage)
    bills = (call.billed(whole["id"], model, usage),)
    if not call.body.get("stream"):
        return Reply(whole, bills=bills)
    parts = (event(part, part["type"]) for part in _events(call, whole, usage))
    return Reply(parts=parts, bills=bills, content_type=EVENTS)


def _events(call: Call, whole: Mapping[str, Any], usage: Usage) -> Iterator[dict[str, Any]]:
    start = {**whole, "content": [], "stop_reason": None, "usage": wire(usage, output=3)}
    yield {"type": "message_start", "message": start}
    block = {"type": "text", "text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    for word in call.words:
        delta = {"type": "text_delta", "text": word}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": usage.output_tokens}}
    yield {"type": "message_stop"}


ROUTES: Final = (Route("anthropic", r".*/messages", _messages),)
