"""What the odd provider answers, in OpenAI's wire format."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

__all__ = [
    "MODEL",
    "Tokens",
    "chunks",
    "completion",
    "embedding",
    "response",
    "response_events",
]

MODEL: Final = "gpt-4o-mini"
_CREATED: Final = 1_790_000_000
_WORDS: Final = ("A ", "stand-in's ", "answer.")
_CONTENT: Final = {
    "json": ('{"answer": "yes"}', "stop"),
    "length": ('{"answer": "ye', "length"),
    "filter": ("", "content_filter"),
    "invalid": ('{"answer": 7', "stop"),
}
"""Habit -> (what the answer says, why it ends); all others say the words."""

_ALWAYS_TELL: Final = ("chatty", "chatty_json")


class Tokens(NamedTuple):
    """What an answer is billed for."""

    input: int
    output: int


def completion(response_id: str, model: str, tokens: Tokens, habit: str) -> dict[str, Any]:
    content, finish = _CONTENT.get(habit.removeprefix("chatty_"), ("".join(_WORDS), "stop"))
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if habit == "tool":
        call = {"name": "answer", "arguments": '{"answer": "yes"}'}
        message["content"], finish = None, "tool_calls"
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {
        "id": response_id,
        "object": "chat.completion",
        "created": _CREATED,
        "model": model,
        "choices": [choice],
        "usage": _chat_usage(tokens),
    }


def _chat_usage(tokens: Tokens) -> dict[str, int]:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": sum(tokens),
    }


def chunks(
    whole: Mapping[str, Any], habit: str, asked: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The completion as a stream; with its usage if that was asked for, or if it is this provider's habit."""
    common = {key: whole[key] for key in ("id", "created", "model")}
    common["object"] = "chat.completion.chunk"
    choice = whole["choices"][0]
    tells = bool((asked.get("stream_options") or {}).get("include_usage"))
    tells = tells or habit in _ALWAYS_TELL or bool((asked.get("usage") or {}).get("include"))
    if habit == "azure_first":
        yield {
            "id": "",
            "created": 0,
            "model": "",
            "object": "",
            "choices": [],
            "prompt_filter_results": [{"prompt_index": 0}],
        }
    for delta in _deltas(choice["message"]):
        yield {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    if habit == "endless":
        return
    if habit == "no_choices":
        yield common
    if habit == "null_delta":
        yield {**common, "choices": [{"index": 0, "delta": None, "finish_reason": None}]}
    if habit == "usage_in_last":
        yield {**common, "choices": [last], "usage": whole["usage"]}
        return
    yield {**common, "choices": [last]}
    if tells:
        rest: dict[str, Any] = {} if habit == "bare_usage" else {"choices": []}
        yield {**common, **rest, "usage": whole["usage"]}


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The first names the role, as OpenAI's does."""
    calls = message.get("tool_calls") or ()
    if calls:
        told = [{"index": n, **call} for n, call in enumerate(calls)]
        yield {"role": "assistant", "content": None, "tool_calls": told}
        return
    text = message["content"]
    parts = _WORDS if text == "".join(_WORDS) else (text[:5], text[5:])
    for number, part in enumerate(parts):
        yield {"role": "assistant", "content": part} if number == 0 else {"content": part}


def response(response_id: str, model: str, tokens: Tokens) -> dict[str, Any]:
    """An answer of the Responses API."""
    text = {"type": "output_text", "text": '{"answer": "yes"}', "annotations": []}
    message = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    return {
        "id": response_id,
        "object": "response",
        "created_at": _CREATED,
        "model": model,
        "status": "completed",
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": {
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "total_tokens": sum(tokens),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def response_events(whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as a stream of events."""
    item = whole["output"][0]
    text = item["content"][0]["text"]
    empty = {**whole, "status": "in_progress", "usage": None, "output": []}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    started = {**item, "status": "in_progress", "content": []}
    events: tuple[dict[str, Any], ...] = (
        {"type": "response.created", "response": empty},
        {"type": "response.output_item.added", "output_index": 0, "item": started},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": text, "logprobs": []},
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    )
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def embedding(model: str, tokens: Tokens, asked: Mapping[str, Any]) -> dict[str, Any]:
    vector: Any = [0.0, 0.5]
    if asked.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<2f", *vector)).decode()
    return {
        "object": "list",
        "model": model,
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "usage": {"prompt_tokens": tokens.input, "total_tokens": tokens.input},
    }
