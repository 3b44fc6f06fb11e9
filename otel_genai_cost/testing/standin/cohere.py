"""Cohere's wire format, both versions: chat, embeddings, rerank, classification.

    python -m otel_genai_cost.testing.standin.cohere --port 0 --bill provider.jsonl

It bills the units that it calls billed; the tokens beside them count its own template too. What it had cached costs
what the rest of the input does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.testing.standin.command import serve
from otel_genai_cost.testing.standin.script import Usage
from otel_genai_cost.testing.standin.server import StandIn
from otel_genai_cost.testing.standin.wire import EVENTS, Billed, Call, Reply, Route, event

__all__ = ["ROUTES", "CohereStandIn", "usage_on_the_wire"]

_TEMPLATE_TOKENS: Final = (57, 1)
"""What Cohere adds to the input and to the output, and does not bill."""


class CohereStandIn(StandIn):
    """A stand-in for Cohere alone; `url` is the client's `base_url`."""

    def __init__(self, bill: Path | None = None, port: int = 0) -> None:
        super().__init__("cohere", bill=bill, port=port)


def _refusal(_: int, message: str) -> Mapping[str, Any]:
    return {"message": message}


def usage_on_the_wire(usage: Usage) -> dict[str, Any]:
    """Usage of a chat as Cohere reports it, in numbers with a point.

    Args:
        usage: what is billed.
    """
    billed = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    tokens = {
        name: n + more for (name, n), more in zip(billed.items(), _TEMPLATE_TOKENS, strict=True)
    }
    return {
        "billed_units": {name: float(n) for name, n in billed.items()},
        "tokens": {name: float(n) for name, n in tokens.items()},
        "cached_tokens": float(usage.cache_read_tokens),
    }


def _bills(call: Call, response_id: str) -> tuple[Billed, ...]:
    usage = call.usage._replace(cache_read_tokens=0)
    return (call.billed(response_id, call.model, usage),)


def _chat(call: Call) -> Reply:
    response_id, usage = call.new_id(""), usage_on_the_wire(call.usage)
    bills = _bills(call, response_id)
    if call.body.get("stream"):
        return Reply(parts=_events(call, response_id, usage), bills=bills, content_type=EVENTS)
    message: dict[str, Any] = {"role": "assistant"}
    if call.answer.tool_calls:
        message["tool_calls"] = _tool_calls(call)
    else:
        message["content"] = [{"type": "text", "text": call.said}]
    answer = {"id": response_id, "finish_reason": _finish(call), "message": message}
    return Reply({**answer, "usage": usage}, bills=bills)


def _finish(call: Call) -> str:
    return "TOOL_CALL" if call.answer.tool_calls else "COMPLETE"


def _tool_calls(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call{n}",
            "type": "function",
            "function": {"name": each.name, "arguments": json.dumps(dict(each.arguments))},
        }
        for n, each in enumerate(call.answer.tool_calls)
    ]


def _events(call: Call, response_id: str, usage: Mapping[str, Any]) -> Iterator[bytes]:
    def named(kind: str, **data: Any) -> bytes:
        return event({"type": kind, **data}, kind)

    empty: dict[str, Any] = {
        "role": "assistant",
        "content": [],
        "tool_plan": "",
        "tool_calls": [],
        "citations": [],
    }
    yield named("message-start", id=response_id, delta={"message": empty})
    first = {"message": {"content": {"type": "text", "text": ""}}}
    yield named("content-start", index=0, delta=first)
    for word in call.words:
        yield named("content-delta", index=0, delta={"message": {"content": {"text": word}}})
    yield named("content-end", index=0)
    yield named("message-end", delta={"finish_reason": _finish(call), "usage": usage})


def _first_chat(call: Call) -> Reply:
    generation_id = call.new_id("")
    answer: dict[str, Any] = {
        "response_id": call.new_id("r"),
        "generation_id": generation_id,
        "text": call.said,
        "finish_reason": "COMPLETE",
        "chat_history": [],
        "meta": {"api_version": {"version": "1"}, **usage_on_the_wire(call.usage)},
    }
    if call.answer.tool_calls:
        answer["tool_calls"] = [
            {"name": each.name, "parameters": dict(each.arguments)}
            for each in call.answer.tool_calls
        ]
    bills = _bills(call, generation_id)
    if call.body.get("stream"):
        return Reply(
            parts=_lines(call, answer), bills=bills, content_type="application/stream+json"
        )
    return Reply(answer, bills=bills)


def _lines(call: Call, answer: Mapping[str, Any]) -> Iterator[bytes]:
    start = {"event_type": "stream-start", "generation_id": answer["generation_id"]}
    said = [{"event_type": "text-generation", "text": word} for word in call.words]
    end = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": answer}
    for part in (start, *said, end):
        yield json.dumps({"is_finished": part is end, **part}).encode() + b"\n"


def _with_units(call: Call, usage: Usage, units: Mapping[str, float], **answer: Any) -> Reply:
    """An answer of the rest of the API, which reports only what it bills."""
    response_id = call.new_id("")
    meta = {"api_version": {"version": call.path[2]}, "billed_units": units}
    bills = (call.billed(response_id, call.model, usage),)
    return Reply({"id": response_id, **answer, "meta": meta}, bills=bills)


def _embed(call: Call) -> Reply:
    texts: list[str] = call.body.get("texts") or []
    floats = [[0.5] for _ in texts]
    is_first = call.path.startswith("/v1")
    usage = Usage(call.usage.input_tokens)
    kind = {"response_type": "embeddings_floats"} if is_first else {}
    return _with_units(
        call,
        usage,
        {"input_tokens": float(usage.input_tokens)},
        **kind,
        embeddings=floats if is_first else {"float": floats},
        texts=texts,
    )


def _rerank(call: Call) -> Reply:
    units = call.answer.usage.requests if call.answer.usage is not None else 1
    results = [{"index": 0, "relevance_score": 0.5}]
    return _with_units(call, Usage(requests=units), {"search_units": float(units)}, results=results)


def _make_batch(call: Call) -> Reply:
    """A batch is done as soon as it is made; whoever asks for it hears so."""
    batch_id, usage = call.new_id("batch-"), call.usage
    kept = {
        "id": batch_id,
        "name": call.body["name"],
        "input_dataset_id": call.body["input_dataset_id"],
        "model": call.model,
        "status": "BATCH_STATUS_COMPLETED",
        "input_tokens": str(usage.input_tokens),
        "output_tokens": str(usage.output_tokens),
    }
    call.kept[batch_id] = {"batch": kept}
    begun = {**kept, "status": "BATCH_STATUS_QUEUED", "input_tokens": None, "output_tokens": None}
    bills = (call.billed(batch_id, call.model, batch=True),)
    return Reply({"batch": begun}, bills=bills)


def _make_embed_job(call: Call) -> Reply:
    job_id, tokens = call.new_id("job-"), call.usage.input_tokens
    call.kept[job_id] = {
        "job_id": job_id,
        "status": "complete",
        "created_at": "2026-11-29T00:00:00Z",
        "input_dataset_id": call.body["dataset_id"],
        "model": call.model,
        "truncate": "END",
        "meta": {"billed_units": {"input_tokens": float(tokens)}},
    }
    bills = (call.billed(job_id, call.model, Usage(tokens), batch=True),)
    return Reply({"job_id": job_id}, bills=bills)


def _job(call: Call) -> Reply:
    kept = call.kept.get(call.named["id"])
    return Reply(kept) if kept else Reply(_refusal(404, "no such job"), status=404)


_JOBS: Final = (
    Route("cohere", "/v2/batches", _make_batch, refuse=_refusal),
    Route("cohere", "/v2/batches/(?P<id>[^/:]+)", _job, "GET"),
    Route("cohere", "/v1/embed-jobs", _make_embed_job, refuse=_refusal),
    Route("cohere", "/v1/embed-jobs/(?P<id>[^/]+)", _job, "GET"),
)
ROUTES: Final = _JOBS + tuple(
    Route("cohere", path, answer, refuse=_refusal)
    for path, answer in (
        ("/v2/chat", _chat),
        ("/v1/chat", _first_chat),
        ("/v[12]/embed", _embed),
        ("/v[12]/rerank", _rerank),
    )
)

if __name__ == "__main__":
    serve("A stand-in for Cohere.", CohereStandIn)
