"""OpenAI's wire format: a provider that speaks it on 127.0.0.1, and keeps its own bill.

    python -m otel_genai_cost.testing.standin.openai --port 0 --bill provider.jsonl

Unscripted, token counts follow from the request's text, and words in it make trouble (`words.py`). This format's own:
`[strict]` refuses `stream_options`, `[always]` sends a stream's usage unasked; `[length]`, `[filter]` and `[badjson]`
give structured answers that are cut short, withheld, or of another structure.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.testing.standin.command import serve
from otel_genai_cost.testing.standin.script import Usage
from otel_genai_cost.testing.standin.server import StandIn
from otel_genai_cost.testing.standin.wire import EVENTS, Call, Reply, Route, event, events, refusal

__all__ = ["ROUTES", "OpenAIStandIn", "chat", "usage_on_the_wire"]

SNAPSHOTS: Final[Mapping[str, str]] = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "o4-mini": "o4-mini-2025-04-16",
    "gpt-5": "gpt-5-2025-08-07",
}
"""What a model's alias answers as; other names answer as themselves."""

_ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "[length]": ('{"answer": "ye', "length"),
    "[filter]": ("", "content_filter"),
    "[badjson]": ('{"answer": 7', "stop"),
}
"""Word in the request -> what is answered, and why it ends there."""


class OpenAIStandIn(StandIn):
    """A stand-in for OpenAI alone; `url` is the client's base_url."""

    def __init__(self, bill: Path | None = None, port: int = 0) -> None:
        super().__init__("openai", bill=bill, port=port)

    @property
    def url(self) -> str:
        """The base_url for a client."""
        return f"{super().url}/v1"


def usage_on_the_wire(usage: Usage, inwards: str, outwards: str) -> dict[str, Any]:
    """Usage as OpenAI's APIs report it.

    Args:
        usage: what is reported.
        inwards: `prompt` or `input`.
        outwards: `completion` or `output`.
    """
    inside = {"cached_tokens": usage.cache_read_tokens, "audio_tokens": usage.input_audio_tokens}
    if usage.written:
        inside["cache_write_tokens"] = usage.written
    if usage.input_image_tokens:
        inside["image_tokens"] = usage.input_image_tokens
    outside = {
        "reasoning_tokens": usage.reasoning_tokens,
        "audio_tokens": usage.output_audio_tokens,
    }
    return {
        f"{inwards}_tokens": usage.input_tokens,
        f"{outwards}_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        f"{inwards}_tokens_details": inside,
        f"{outwards}_tokens_details": outside,
    }


Wire = Callable[[Usage, str, str], dict[str, Any]]
"""Usage, and the names of its sides, as a provider reports them."""


def chat(call: Call, wire: Wire = usage_on_the_wire) -> Reply:
    """A chat completion of OpenAI, or of a provider that follows it.

    Args:
        call: the request.
        wire: how the provider reports usage.
    """
    if "[strict]" in call.text and "stream_options" in call.body:
        return Reply(refusal(422, "extra inputs are not permitted"), status=422)
    common: dict[str, Any] = {
        "id": call.new_id("chatcmpl-"),
        "created": call.created,
        "model": call.returned(SNAPSHOTS),
        "service_tier": call.condition("service_tier", "default"),
    }
    bills = (call.billed(common["id"], common["model"], service_tier=_tier(call)),)
    if call.body.get("stream"):
        chunks = events(_chunks(common, call, wire), "[DONE]")
        return Reply(parts=chunks, bills=bills, content_type=EVENTS)
    choice = {
        "index": 0,
        "message": _message(call),
        "finish_reason": _finish(call),
        "logprobs": None,
    }
    usage = wire(call.usage, "prompt", "completion")
    answer = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
    return Reply(answer, bills=bills)


def _tier(call: Call) -> str | None:
    """The tier that is billed: none where the request asks for none."""
    tier: str | None = call.condition("service_tier")
    return tier


def _message(call: Call) -> dict[str, Any]:
    said = next((answer[0] for word, answer in _ANSWERS.items() if word in call.text), call.said)
    if call.answer.tool_calls:
        return {"role": "assistant", "content": None, "tool_calls": _tool_calls(call)}
    return {"role": "assistant", "content": said, "refusal": None}


def _finish(call: Call) -> str:
    if call.answer.tool_calls:
        return "tool_calls"
    return next((answer[1] for word, answer in _ANSWERS.items() if word in call.text), "stop")


def _tool_calls(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{call.number}_{n}",
            "type": "function",
            "function": {"name": tool.name, "arguments": json.dumps(dict(tool.arguments))},
        }
        for n, tool in enumerate(call.answer.tool_calls)
    ]


def _chunks(common: Mapping[str, Any], call: Call, wire: Wire) -> Iterator[Mapping[str, Any]]:
    """The words or tool calls, then a finish reason, then usage if it was asked for."""
    options = call.part("stream_options")
    wants_usage = bool(options.get("include_usage")) or "[always]" in call.text
    chunk = {**common, "object": "chat.completion.chunk"}
    if wants_usage:
        chunk["usage"] = None
    for n, delta in enumerate(_deltas(call)):
        first = {} if n else {"role": "assistant"}
        yield {
            **chunk,
            "choices": [{"index": 0, "delta": {**first, **delta}, "finish_reason": None}],
        }
    yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(call)}]}
    if wants_usage:
        usage = wire(call.usage, "prompt", "completion")
        yield {**chunk, "choices": [], "usage": usage}


def _deltas(call: Call) -> Iterator[Mapping[str, Any]]:
    if call.answer.tool_calls:
        for n, tool in enumerate(_tool_calls(call)):
            yield {"tool_calls": [{"index": n, **tool}]}
    else:
        for word in call.words:
            yield {"content": word}


def _text(call: Call) -> Reply:
    """A legacy completion."""
    common: dict[str, Any] = {
        "id": call.new_id("cmpl-"),
        "object": "text_completion",
        "created": call.created,
        "model": call.returned(SNAPSHOTS),
    }
    bills = (call.billed(common["id"], common["model"]),)
    usage = usage_on_the_wire(call.usage, "prompt", "completion")

    def part(text: str, reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}
        return {**common, "choices": [choice]}

    if not call.body.get("stream"):
        return Reply({**part(call.said, "stop"), "usage": usage}, bills=bills)
    chunks = [*(part(word, None) for word in call.words), part("", "stop")]
    if call.part("stream_options").get("include_usage"):
        chunks.append({**common, "choices": [], "usage": usage})
    return Reply(parts=events(chunks, "[DONE]"), bills=bills, content_type=EVENTS)


def _embeddings(call: Call) -> Reply:
    usage = Usage(call.usage.input_tokens)
    model = call.returned(SNAPSHOTS)
    counts = {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}
    data = [{"object": "embedding", "index": 0, "embedding": _embedding(call)}]
    answer = {"object": "list", "data": data, "model": model, "usage": counts}
    return Reply(answer, bills=(call.billed(None, model, usage),))


def _embedding(call: Call) -> list[float] | str:
    numbers = (0.0, 0.5)
    if call.body.get("encoding_format") == "base64":
        return base64.b64encode(struct.pack("<2f", *numbers)).decode()
    return [*numbers]


def _responses(call: Call) -> Reply:
    answer: dict[str, Any] = {
        "id": call.new_id("resp-"),
        "object": "response",
        "created_at": call.created,
        "model": call.returned(SNAPSHOTS),
        "status": "completed",
        "output": _output(call),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": call.condition("service_tier", "default"),
        "usage": usage_on_the_wire(call.usage, "input", "output"),
    }
    call.kept[answer["id"]] = answer
    begun: dict[str, Any] = {**answer, "status": "in_progress", "usage": None, "output": []}
    bills = (call.billed(answer["id"], answer["model"], service_tier=_tier(call)),)
    if call.body.get("stream"):
        return Reply(parts=_response_events(call, begun, answer), bills=bills, content_type=EVENTS)
    if call.body.get("background"):
        return Reply({**begun, "status": "queued", "background": True}, bills=bills)
    return Reply(answer, bills=bills)


def _output(call: Call) -> list[dict[str, Any]]:
    searches = [
        {
            "id": f"ws_{call.number}_{n}",
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "q"},
        }
        for n in range(call.usage.web_searches)
    ]
    tools = [
        {
            "id": f"fc_{call.number}_{n}",
            "type": "function_call",
            "call_id": tool["id"],
            "status": "completed",
            **tool["function"],
        }
        for n, tool in enumerate(_tool_calls(call))
    ]
    return [*searches, *(tools or _said(call))]


def _said(call: Call) -> list[dict[str, Any]]:
    content: dict[str, Any] = {
        "type": "output_text",
        "text": call.said,
        "annotations": [],
        "logprobs": [],
    }
    return [
        {
            "id": f"msg_{call.number}",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [content],
        }
    ]


def _response_events(
    call: Call, begun: Mapping[str, Any], answer: Mapping[str, Any]
) -> Iterator[bytes]:
    parts: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    if not call.answer.tool_calls:
        parts += _text_events(call)
    parts.append({"type": "response.completed", "response": answer})
    for n, part in enumerate(parts):
        yield event({**part, "sequence_number": n}, part["type"])


def _text_events(call: Call) -> Iterator[dict[str, Any]]:
    """A message with one text, as it comes."""
    (message,) = _said(call)
    (text,) = message["content"]
    begun: dict[str, Any] = {**message, "status": "in_progress", "content": []}
    place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
    yield {"type": "response.content_part.added", **place, "part": {**text, "text": ""}}
    for word in call.words:
        yield {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": call.said, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": text}
    yield {"type": "response.output_item.done", "output_index": 0, "item": message}


def _retrieve(call: Call) -> Reply:
    """A stored response, which is on no bill again."""
    stored = call.kept.get(call.named["id"])
    if stored is None:
        return Reply(refusal(404, f"no such response {call.named['id']}"), status=404)
    if call.query.get("stream") == "true":
        begun: dict[str, Any] = {**stored, "status": "in_progress", "usage": None, "output": []}
        return Reply(parts=_response_events(call, begun, stored), content_type=EVENTS)
    return Reply(stored)


ROUTES: Final = (
    Route("openai", r".*/chat/completions", chat),
    Route("openai", r".*/completions", _text),
    Route("openai", r".*/embeddings", _embeddings),
    Route("openai", r".*/responses", _responses),
    Route("openai", r".*/responses/(?P<id>[^/]+)", _retrieve, "GET"),
    Route("openai", r".*/responses/(?P<id>[^/]+)/cancel", _retrieve),
)


if __name__ == "__main__":
    serve("A stand-in for OpenAI's API.", OpenAIStandIn)
