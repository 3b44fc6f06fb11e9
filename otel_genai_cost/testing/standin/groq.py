"""Groq's wire format: OpenAI's, with a stream's usage unasked in its last chunk (`x_groq`) and audio by its length."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.testing.standin.openai import chat
from otel_genai_cost.testing.standin.script import Usage
from otel_genai_cost.testing.standin.wire import Call, Reply, Route, event

__all__ = ["ROUTES"]

_DATA: Final = b"data: {"


def _usage(used: Usage, inwards: str = "prompt", outwards: str = "completion") -> dict[str, Any]:
    found: dict[str, Any] = {
        "queue_time": 0.018,
        f"{inwards}_tokens": used.input_tokens,
        f"{inwards}_time": 0.002,
        f"{outwards}_tokens": used.output_tokens,
        f"{outwards}_time": 0.1,
        "total_tokens": used.input_tokens + used.output_tokens,
        "total_time": 0.102,
    }
    if used.cache_read_tokens:
        found[f"{inwards}_tokens_details"] = {"cached_tokens": used.cache_read_tokens}
    if used.reasoning_tokens:
        found[f"{outwards}_tokens_details"] = {"reasoning_tokens": used.reasoning_tokens}
    return found


def _chat(call: Call) -> Reply:
    reply = chat(call, _usage)
    if reply.parts is not None:
        return reply._replace(parts=_parts(call, reply.parts))
    if not isinstance(reply.body, Mapping):
        return reply
    tier = call.condition("service_tier", "on_demand")
    return reply._replace(body={**reply.body, "service_tier": tier, "x_groq": {"id": "req_1"}})


def _parts(call: Call, parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        if not part.startswith(_DATA):
            yield part
            continue
        chunk: dict[str, Any] = json.loads(part.removeprefix(b"data: "))
        del chunk["service_tier"]
        if any(choice["finish_reason"] for choice in chunk["choices"]):
            chunk["x_groq"] = {"id": "req_1", "usage": _usage(call.usage)}
        yield event(chunk)


def _embeddings(call: Call) -> Reply:
    usage, model = Usage(call.usage.input_tokens), call.returned()
    counts = {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}
    data = [{"object": "embedding", "index": 0, "embedding": [0.0, 0.5]}]
    answer = {"object": "list", "data": data, "model": model, "usage": counts}
    return Reply(answer, bills=(call.billed(None, model, usage),))


def _transcription(call: Call) -> Reply:
    """Billed by the second, which only the verbose form says."""
    usage, model = call.answer.usage or Usage(seconds=8), call.returned()
    answer: dict[str, Any] = {"text": call.said, "x_groq": {"id": call.new_id("req_")}}
    if call.body.get("response_format") == "verbose_json":
        answer |= {"duration": usage.seconds, "language": "English", "segments": []}
    return Reply(answer, bills=(call.billed(None, model, usage),))


def _speech(call: Call) -> Reply:
    """Billed by the character."""
    usage = call.answer.usage or Usage(characters=len(str(call.body.get("input"))))
    bills = (call.billed(None, call.returned(), usage),)
    return Reply(b"RIFF" + bytes(64), bills=bills, content_type="audio/wav")


ROUTES: Final = (
    Route("groq", "/openai/v1/chat/completions", _chat),
    Route("groq", "/openai/v1/embeddings", _embeddings),
    Route("groq", "/openai/v1/audio/(?:transcriptions|translations)", _transcription),
    Route("groq", "/openai/v1/audio/speech", _speech),
)
