"""The parts with which a stream ends that is cut off, as its provider would end one that has met its limit: objects of
the client's own, made of the parts that came."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

__all__ = [
    "LIMIT",
    "last_of_chat",
    "last_of_cohere",
    "last_of_converse",
    "last_of_gemini",
    "last_of_message",
    "last_of_ollama",
    "last_of_response",
]

LIMIT: Final = "length"
_SAID: Final = ("content", "tool_calls", "function_call", "reasoning", "reasoning_content", "text")


def last_of_chat(_: Any, part: Any) -> tuple[Any, ...]:
    """Of a chat or completion in OpenAI's wire format, also where it is inside an event.

    Args:
        _: the first part.
        part: the latest one.
    """
    last = part.model_copy(deep=True)
    chunk = getattr(last, "data", last)
    for choice in chunk.choices:
        choice.finish_reason = LIMIT
        for holder in (choice, getattr(choice, "delta", None)):
            for name in _SAID:
                if getattr(holder, name, None):
                    setattr(holder, name, "" if name == "text" else None)
    if hasattr(chunk, "usage"):
        chunk.usage = None
    return (last,)


def last_of_response(first: Any, part: Any) -> tuple[Any, ...]:
    """Of OpenAI's Responses API: the response as it began, incomplete.

    Args:
        first: the first part, which has the response.
        part: the latest one.
    """
    event: Any = sys.modules["openai.types.responses"].ResponseIncompleteEvent
    response = {
        **first.response.model_dump(),
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
    }
    number = getattr(part, "sequence_number", 0) + 1
    return (event.construct(type="response.incomplete", response=response, sequence_number=number),)


def last_of_message(first: Any, part: Any) -> tuple[Any, ...]:
    """Of a message in Anthropic's wire format: the block ends, then the message.

    Args:
        first: the first part.
        part: the latest one.
    """
    is_beta = ".beta." in type(part).__module__
    types: Any = sys.modules["anthropic.types.beta" if is_beta else "anthropic.types"]
    prefix = "Beta" if is_beta else ""

    def event(name: str, **values: Any) -> Any:
        return getattr(types, f"{prefix}Raw{name}Event").construct(**values)

    usage = {"output_tokens": first.message.usage.output_tokens}
    delta = {"stop_reason": "max_tokens", "stop_sequence": None}
    ends = (
        event("MessageDelta", type="message_delta", delta=delta, usage=usage),
        event("MessageStop", type="message_stop"),
    )
    index = getattr(part, "index", None)
    if getattr(part, "type", None) in ("content_block_start", "content_block_delta"):
        return (event("ContentBlockStop", type="content_block_stop", index=index), *ends)
    return ends


def last_of_gemini(_: Any, part: Any) -> tuple[Any, ...]:
    """Of content in Gemini's wire format, whose parts are texts of JSON.

    Args:
        _: the first part.
        part: the latest one.
    """
    known = json.loads(part.body)
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": []},
        "finishReason": "MAX_TOKENS",
        "index": 0,
    }
    kept = {key: known[key] for key in ("modelVersion", "responseId") if key in known}
    return (type(part)(headers=part.headers, body=json.dumps({**kept, "candidates": [candidate]})),)


def last_of_ollama(_: Any, part: Any) -> tuple[Any, ...]:
    """Of Ollama's chat and generate.

    Args:
        _: the first part.
        part: the latest one.
    """
    last = part.model_copy(deep=True)
    last.done, last.done_reason = True, LIMIT
    message = getattr(last, "message", None)
    if message is not None:
        message.content = ""
    elif hasattr(last, "response"):
        last.response = ""
    return (last,)


def last_of_cohere(_: Any, __: Any) -> tuple[Any, ...]:
    """Of the second version of Cohere's chat; the first has none.

    Args:
        _: the first part.
        __: the latest one.
    """
    kind: Any = sys.modules["cohere.v2.types.v2chat_stream_response"].MessageEndV2ChatStreamResponse
    return (kind.model_validate({"type": "message-end", "delta": {"finish_reason": "MAX_TOKENS"}}),)


def last_of_converse(_: Any, part: Any) -> tuple[Any, ...]:
    """Of Bedrock's ConverseStream, whose parts are messages of an event stream.

    Args:
        _: the first part.
        part: the latest one.
    """
    headers = {
        ":message-type": "event",
        ":event-type": "messageStop",
        ":content-type": "application/json",
    }
    payload = json.dumps({"stopReason": "max_tokens"}).encode()
    return (type(part)(part.prelude, headers, payload, part.crc),)
