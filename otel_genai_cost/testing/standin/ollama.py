"""Ollama's wire format: chat, generation, embeddings. Its bill has what was used, which nobody charges for.

python -m otel_genai_cost.testing.standin.ollama --port 0 --bill provider.jsonl
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.testing.standin.command import serve
from otel_genai_cost.testing.standin.server import StandIn
from otel_genai_cost.testing.standin.wire import Call, Reply, Route

__all__ = ["ROUTES", "OllamaStandIn"]

_LINES: Final = "application/x-ndjson"
_MADE_AT: Final = "2026-10-01T00:00:00.000000Z"


class OllamaStandIn(StandIn):
    """A stand-in for Ollama alone; `url` is the client's `host`."""

    def __init__(self, bill: Path | None = None, port: int = 0) -> None:
        super().__init__("ollama", bill=bill, port=port)


def _refusal(_: int, message: str) -> Mapping[str, Any]:
    return {"error": message}


def _counts(call: Call) -> dict[str, int]:
    """The prompt with what the server still had of it, which it says beside it."""
    usage = call.usage
    return {
        "prompt_eval_count": usage.input_tokens,
        "eval_count": usage.output_tokens,
        "prompt_eval_cached_count": usage.cache_read_tokens,
    }


def _said(call: Call, text: str, *, is_last: bool = False) -> dict[str, Any]:
    """A part of an answer, or all of it."""
    common = {"model": call.model, "created_at": _MADE_AT, "done": is_last}
    if call.path == "/api/generate":
        return {**common, "response": text}
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if is_last and call.answer.tool_calls:
        message["tool_calls"] = [
            {"function": {"name": each.name, "arguments": dict(each.arguments)}}
            for each in call.answer.tool_calls
        ]
    return {**common, "message": message}


def _answer(call: Call) -> Reply:
    end = {"done_reason": "stop", "total_duration": 1, "load_duration": 1, **_counts(call)}
    bills = (call.billed(None, call.model, call.usage._replace(cache_read_tokens=0)),)
    if call.body.get("stream", True):
        return Reply(parts=_lines(call, end), bills=bills, content_type=_LINES)
    return Reply({**_said(call, call.said, is_last=True), **end}, bills=bills)


def _lines(call: Call, end: Mapping[str, Any]) -> Iterator[bytes]:
    parts = [_said(call, word) for word in call.words]
    for part in (*parts, {**_said(call, "", is_last=True), **end}):
        yield json.dumps(part).encode() + b"\n"


def _embed(call: Call) -> Reply:
    inputs: Any = call.body.get("input")
    n_texts = 1 if isinstance(inputs, str) else len(inputs)
    answer = {
        "model": call.model,
        "embeddings": [[0.5]] * n_texts,
        "prompt_eval_count": call.usage.input_tokens,
    }
    return Reply(
        answer, bills=(call.billed(None, call.model, call.usage._replace(output_tokens=0)),)
    )


ROUTES: Final = (
    Route("ollama", "/api/(?:chat|generate)", _answer, refuse=_refusal),
    Route("ollama", "/api/embed", _embed, refuse=_refusal),
)

if __name__ == "__main__":
    serve("A stand-in for Ollama.", OllamaStandIn)
