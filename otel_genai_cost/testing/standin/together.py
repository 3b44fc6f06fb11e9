"""Together's wire format: OpenAI's, with a stream's usage unasked in its last chunk, and completions, images and
rerankings of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.testing.standin.openai import chat
from otel_genai_cost.testing.standin.script import Usage
from otel_genai_cost.testing.standin.wire import EVENTS, Call, Reply, Route, event, events

__all__ = ["ROUTES"]

_DATA: Final = b"data: {"
_END: Final = "[DONE]"


def _usage(used: Usage, inwards: str = "prompt", outwards: str = "completion") -> dict[str, Any]:
    return {
        f"{inwards}_tokens": used.input_tokens,
        f"{outwards}_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
    }


def _chat(call: Call) -> Reply:
    reply = chat(call, _usage)
    if reply.parts is not None:
        return reply._replace(parts=_parts(call, reply.parts))
    return reply


def _parts(call: Call, parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        if not part.startswith(_DATA):
            yield part
            continue
        chunk: dict[str, Any] = json.loads(part.removeprefix(b"data: "))
        if any(choice["finish_reason"] for choice in chunk["choices"]):
            chunk["usage"] = _usage(call.usage)
        yield event(chunk)


def _text(call: Call) -> Reply:
    common: dict[str, Any] = {
        "id": call.new_id("ob"),
        "created": call.created,
        "model": call.returned(),
    }
    bills = (call.billed(common["id"], common["model"]),)
    if not call.body.get("stream"):
        choice = {"text": call.said, "finish_reason": "stop", "logprobs": None, "seed": 1}
        answer = {**common, "object": "text.completion", "prompt": [], "choices": [choice]}
        return Reply({**answer, "usage": _usage(call.usage)}, bills=bills)
    chunks = [_text_chunk(common, word) for word in call.words]
    chunks.append({**_text_chunk(common, ""), "finish_reason": "stop", "usage": _usage(call.usage)})
    return Reply(parts=events(chunks, _END), bills=bills, content_type=EVENTS)


def _text_chunk(common: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A chunk of a completion says itself why it ended."""
    token = {"id": 1, "text": text, "logprob": 0, "special": False}
    choice = {"index": 0, "text": text, "delta": {"role": "assistant", "content": text}}
    return {
        **common,
        "object": "completion.chunk",
        "token": token,
        "choices": [choice],
        "finish_reason": None,
        "usage": None,
    }


def _embeddings(call: Call) -> Reply:
    """They report no usage."""
    usage, model = Usage(call.usage.input_tokens), call.returned()
    data = [{"object": "embedding", "index": 0, "embedding": [0.0, 0.5]}]
    answer = {"object": "list", "data": data, "model": model}
    return Reply(answer, bills=(call.billed(None, model, usage),))


def _rerank(call: Call) -> Reply:
    usage = Usage(call.usage.input_tokens)
    answer: dict[str, Any] = {
        "id": call.new_id("ob"),
        "object": "rerank",
        "model": call.returned(),
        "results": [{"index": 0, "relevance_score": 0.9, "document": {"text": "d"}}],
        "usage": _usage(usage),
    }
    return Reply(answer, bills=(call.billed(answer["id"], answer["model"], usage),))


def _images(call: Call) -> Reply:
    n = int(call.body.get("n") or 1)
    data = [{"index": i, "url": f"https://images.example/{i}.png", "type": "url"} for i in range(n)]
    answer: dict[str, Any] = {
        "id": call.new_id("ob"),
        "object": "list",
        "model": call.returned(),
        "data": data,
    }
    return Reply(answer, bills=(call.billed(answer["id"], answer["model"], Usage(images=n)),))


ROUTES: Final = (
    Route("together_ai", r".*/chat/completions", _chat),
    Route("together_ai", r".*/completions", _text),
    Route("together_ai", r".*/embeddings", _embeddings),
    Route("together_ai", r".*/rerank", _rerank),
    Route("together_ai", r".*/images/generations", _images),
)
