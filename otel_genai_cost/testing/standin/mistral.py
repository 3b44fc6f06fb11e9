"""Mistral's wire format: chat, agents, fill-in-the-middle, conversations, embeddings, OCR, transcription.

    python -m otel_genai_cost.testing.standin.mistral --port 0 --bill provider.jsonl

`Answer.options` of this format: `connector_tokens`, the part of a conversation's input that connectors brought.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.testing.standin.command import serve
from otel_genai_cost.testing.standin.script import Usage
from otel_genai_cost.testing.standin.server import StandIn
from otel_genai_cost.testing.standin.wire import EVENTS, Call, Reply, Route, event, events

__all__ = ["ROUTES", "MistralStandIn", "usage_on_the_wire"]

SNAPSHOTS: Final[Mapping[str, str]] = {
    "mistral-large-latest": "mistral-large-2512",
    "mistral-small-latest": "mistral-small-2603",
    "mistral-ocr-latest": "mistral-ocr-2512",
}
"""What a model's alias answers as; other names answer as themselves."""

_AGENTS_MODEL: Final = "mistral-small-2603"
_MADE_AT: Final = "2026-10-01T00:00:00Z"


class MistralStandIn(StandIn):
    """A stand-in for Mistral alone; `url` is the client's `server_url`."""

    def __init__(self, bill: Path | None = None, port: int = 0) -> None:
        super().__init__("mistral_ai", bill=bill, port=port)


def usage_on_the_wire(usage: Usage) -> dict[str, Any]:
    """Usage as Mistral reports it: the cache inside the prompt, what was heard beside it.

    Args:
        usage: what is reported.
    """
    found: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "num_cached_tokens": usage.cache_read_tokens,
    }
    return {**found, "prompt_audio_seconds": usage.seconds} if usage.seconds else found


def _refusal(status: int, message: str) -> Mapping[str, Any]:
    return {"object": "error", "message": message, "type": "error", "code": str(status)}


def _model(call: Call) -> str:
    return call.returned(SNAPSHOTS) if "model" in call.body else _AGENTS_MODEL


def _chat(call: Call) -> Reply:
    tier = call.condition("service_tier")
    response_id, model = call.new_id(""), _model(call)
    common = {"id": response_id, "model": model, "created": call.created}
    bills = (call.billed(response_id, model, service_tier=tier),)
    usage = usage_on_the_wire(call.usage)
    if tier is not None:
        usage["service_tier"] = tier
    if call.body.get("stream"):
        return Reply(parts=_chunks(call, common, usage), bills=bills, content_type=EVENTS)
    message = {"role": "assistant", "content": call.said, "tool_calls": _tool_calls(call) or None}
    choice = {"index": 0, "message": message, "finish_reason": _finish(call)}
    answer = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
    return Reply(answer, bills=bills)


def _chunks(call: Call, common: Mapping[str, Any], usage: Mapping[str, Any]) -> Iterator[bytes]:
    def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**common, "object": "chat.completion.chunk", "choices": [choice], **more}

    said = [chunk({"role": "assistant", "content": ""})]
    said += [chunk({"content": word}) for word in call.words]
    calls = _tool_calls(call)
    last = {"content": "", "tool_calls": calls} if calls else {"content": ""}
    return events([*said, chunk(last, _finish(call), usage=usage)], "[DONE]")


def _finish(call: Call) -> str:
    return "tool_calls" if call.answer.tool_calls else "stop"


def _tool_calls(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call{n:05d}",
            "index": n,
            "function": {"name": each.name, "arguments": json.dumps(dict(each.arguments))},
        }
        for n, each in enumerate(call.answer.tool_calls)
    ]


def _conversation(call: Call) -> Reply:
    model, usage = _model(call), usage_on_the_wire(call.usage)
    brought = call.answer.options.get("connector_tokens")
    if brought is not None:
        usage["prompt_tokens"] -= brought
        usage["connector_tokens"] = brought
        usage["connectors"] = {"web_search": call.usage.web_searches}
    entry = {"id": call.new_id("msg_"), "model": model, "role": "assistant"}
    started = {"conversation_id": call.new_id("conv_")}
    if call.body.get("stream"):
        parts = _conversation_events(call, started, entry, usage)
        return Reply(parts=parts, bills=(call.billed(entry["id"], model),), content_type=EVENTS)
    output = {**entry, "object": "entry", "type": "message.output", "content": call.said}
    answer = {**started, "object": "conversation.response", "outputs": [output], "usage": usage}
    return Reply(answer, bills=(call.billed(None, model),))


def _conversation_events(
    call: Call, started: Mapping[str, Any], entry: Mapping[str, Any], usage: Mapping[str, Any]
) -> Iterator[bytes]:
    said = [{**entry, "output_index": 0, "content_index": 0, "content": one} for one in call.words]
    yield _named("conversation.response.started", started)
    yield from (_named("message.output.delta", one) for one in said)
    yield _named("conversation.response.done", {"usage": usage})


def _named(kind: str, data: Mapping[str, Any]) -> bytes:
    return event({"type": kind, "created_at": _MADE_AT, **data}, kind)


def _embeddings(call: Call) -> Reply:
    inputs: Any = call.body.get("input")
    n_texts = 1 if isinstance(inputs, str) else len(inputs)
    response_id = call.new_id("")
    answer = {
        "id": response_id,
        "object": "list",
        "model": _model(call),
        "data": [{"object": "embedding", "index": n, "embedding": [0.5]} for n in range(n_texts)],
        "usage": usage_on_the_wire(call.usage._replace(output_tokens=0)),
    }
    bill = call.billed(response_id, _model(call), call.usage._replace(output_tokens=0))
    return Reply(answer, bills=(bill,))


def _ocr(call: Call) -> Reply:
    size = {"dpi": 200, "height": 2_200, "width": 1_700}
    pages = call.answer.usage.pages if call.answer.usage is not None else 1
    answer: dict[str, Any] = {
        "pages": [
            {"index": n, "markdown": call.said, "images": [], "dimensions": size}
            for n in range(pages)
        ],
        "model": _model(call),
        "usage_info": {"pages_processed": pages, "doc_size_bytes": 1_000},
    }
    return Reply(answer, bills=(call.billed(None, _model(call), Usage(pages=pages)),))


def _transcription(call: Call) -> Reply:
    """Billed by the second; the tokens that are reported too are not billed."""
    seconds = call.answer.usage.seconds if call.answer.usage is not None else 30
    usage = usage_on_the_wire(Usage(4, 100, seconds=seconds))
    answer: dict[str, Any] = {
        "model": _model(call),
        "text": call.said,
        "language": "en",
        "segments": [],
    }
    bill = call.billed(None, _model(call), Usage(seconds=seconds))
    return Reply({**answer, "usage": usage}, bills=(bill,))


_PATHS: Final = {
    "chat/completions": _chat,
    "agents/completions": _chat,
    "fim/completions": _chat,
    "conversations": _conversation,
    "conversations/[^/]+": _conversation,
    "embeddings": _embeddings,
    "ocr": _ocr,
    "audio/transcriptions": _transcription,
}
ROUTES: Final = tuple(
    Route("mistral_ai", f"/v1/{path}", answer, refuse=_refusal) for path, answer in _PATHS.items()
)

if __name__ == "__main__":
    serve("A stand-in for Mistral.", MistralStandIn)
