"""Anthropic's wire format: messages as JSON or events, legacy completions, token counts, batches; also as Vertex,
Foundry and Bedrock's `bedrock-mantle` serve it.

The first event of a stream has the input, the cache and a placeholder of the output, the last but one all sums.
`Answer.options` may have `compaction`, the `Usage` of a compaction that is billed beside the message, and
`breaks_after`: after so many parts of a stream comes the event of an error, whose type `breaks_with` names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from otel_genai_cost.testing.standin.script import ToolCall, Usage
from otel_genai_cost.testing.standin.wire import EVENTS, Billed, Call, Reply, Route, event

__all__ = ["ROUTES"]

_PLACEHOLDER: Final = 3
_ALIASES: Final = {"claude-sonnet-4-5": "claude-sonnet-4-5-20250929"}
_BATCHES: Final = "anthropic batches"
_CREATED: Final = "2026-09-21T14:13:20Z"
_JSON_LINES: Final = "application/x-jsonl"


def _message(call: Call) -> Reply:
    """POST of a message; on Vertex the path names the model, and whether it is a stream."""
    response_id, model = call.new_id("msg_"), call.returned(_ALIASES)
    context = {name: call.answer.context.get(name) for name in ("service_tier", "speed")}
    bills = (call.billed(response_id, model, _billed(call), **context),)
    if call.body.get("stream") or call.path.endswith(":streamRawPredict"):
        parts = _broken_off(call, _events(call, response_id, model))
        return Reply(parts=parts, bills=bills, content_type=EVENTS)
    whole = {
        **_head(call, response_id, model),
        "content": [{**block, **_content(block, pieces)} for block, pieces in _blocks(call)],
        "stop_reason": _stop_reason(call),
        "usage": _usage(call),
    }
    return Reply(whole, bills=bills)


def _head(call: Call, response_id: str, model: str) -> dict[str, Any]:
    return {
        "id": response_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop_reason(call: Call) -> str:
    return (
        "tool_use" if call.answer.tool_calls else call.answer.options.get("stop_reason", "end_turn")
    )


def _blocks(call: Call) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Each block of the content as it begins, and the pieces that it comes in."""
    if call.usage.reasoning_tokens:
        yield {"type": "thinking", "thinking": "", "signature": "s"}, ("Let me ", "think.")
    yield {"type": "text", "text": ""}, call.words
    for n, tool in enumerate(call.answer.tool_calls):
        yield _tool_use(call, n, tool), (json.dumps(dict(tool.arguments)),)


def _tool_use(call: Call, n: int, tool: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.new_id("toolu_", n), "name": tool.name, "input": {}}


def _content(block: Mapping[str, Any], pieces: tuple[str, ...]) -> dict[str, Any]:
    """What a whole block has that its beginning lacks."""
    said = "".join(pieces)
    if block["type"] == "tool_use":
        return {"input": json.loads(said)}
    return {block["type"]: said}


_DELTAS: Final = {
    "thinking": ("thinking_delta", "thinking"),
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
}


def _events(call: Call, response_id: str, model: str) -> Iterator[bytes]:
    usage = _usage(call)
    first = {**usage, "output_tokens": _PLACEHOLDER}
    first.pop("output_tokens_details")
    first.pop("iterations", None)
    yield _event("message_start", message={**_head(call, response_id, model), "usage": first})
    yield _event("ping")
    for index, (block, pieces) in enumerate(_blocks(call)):
        yield _event("content_block_start", index=index, content_block=block)
        kind, key = _DELTAS[block["type"]]
        for piece in pieces:
            yield _event("content_block_delta", index=index, delta={"type": kind, key: piece})
        yield _event("content_block_stop", index=index)
    delta = {"stop_reason": _stop_reason(call), "stop_sequence": None}
    sums = {key: usage[key] for key in usage if key not in ("cache_creation", *_NOT_LAST)}
    yield _event("message_delta", delta=delta, usage=sums)
    yield _event("message_stop")


_NOT_LAST: Final = ("service_tier", "inference_geo", "speed")


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _broken_off(call: Call, events: Iterator[bytes]) -> Iterator[bytes]:
    after = call.answer.options.get("breaks_after")
    yield from islice(events, after)
    if after is not None:
        yield event(_refusal(529, call.answer.message), "error")


def _refusal(status: int, message: str) -> Mapping[str, Any]:
    kinds = {429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
    kind = kinds.get(status, "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def _counts(used: Usage) -> dict[str, Any]:
    """As Anthropic counts: the cache beside the input."""
    lifetimes = {
        "ephemeral_5m_input_tokens": used.cache_write_5m_tokens,
        "ephemeral_1h_input_tokens": used.cache_write_1h_tokens,
    }
    return {
        "input_tokens": used.fresh,
        "cache_creation_input_tokens": used.written,
        "cache_read_input_tokens": used.cache_read_tokens,
        "cache_creation": None if used.cache_write_tokens else lifetimes,
        "output_tokens": used.output_tokens,
    }


def _usage(call: Call) -> dict[str, Any]:
    used, compaction = call.usage, call.answer.options.get("compaction")
    found = {
        **_counts(used),
        "output_tokens_details": {"thinking_tokens": used.reasoning_tokens},
        "server_tool_use": {"web_search_requests": used.web_searches, "web_fetch_requests": 0}
        if used.web_searches
        else None,
        "service_tier": call.answer.context.get("service_tier", "standard"),
        "inference_geo": call.answer.context.get("inference_geo"),
        "speed": call.answer.context.get("speed"),
    }
    if compaction is not None:
        entry = {"type": "compaction", **_counts(compaction)}
        found["iterations"] = [entry, {"type": "message", **_counts(used)}]
    return found


def _billed(call: Call) -> Usage:
    """A compaction is billed beside the message."""
    more = call.answer.options.get("compaction")
    return call.usage if more is None else Usage(*map(sum, zip(call.usage, more, strict=True)))


def _completion(call: Call) -> Reply:
    """Legacy completions report no usage."""
    response_id = call.new_id("compl_")
    bills = (call.billed(response_id, call.model),)
    head = {"type": "completion", "id": response_id, "model": call.model}
    if not call.body.get("stream"):
        return Reply({**head, "completion": call.said, "stop_reason": "stop_sequence"}, bills=bills)
    pieces = [{**head, "completion": word, "stop_reason": None} for word in call.words]
    end = {**head, "completion": "", "stop_reason": "stop_sequence"}
    parts = (event(piece, "completion") for piece in (*pieces, end))
    return Reply(parts=parts, bills=bills, content_type=EVENTS)


def _counted(call: Call) -> Reply:
    return Reply({"input_tokens": call.usage.input_tokens})


def _batch(call: Call) -> Reply:
    """Each request of a batch is answered, and billed, at once."""
    batches = call.kept.setdefault(_BATCHES, {})
    batch_id = f"msgbatch_standin{call.port}x{len(batches) + 1}"
    requests: list[Mapping[str, Any]] = list(call.body.get("requests", ()))
    lines: list[Mapping[str, Any]] = []
    bills: list[Billed] = []
    for n, request in enumerate(requests, 1):
        params: Mapping[str, Any] = request["params"]
        asked = str(params["model"])
        response_id, model = call.new_id("msg_", n), _ALIASES.get(asked, asked)
        message = {
            **_head(call, response_id, model),
            "content": [{"type": "text", "text": call.said}],
            "stop_reason": "end_turn",
            "usage": {**_usage(call), "service_tier": "batch"},
        }
        result = {"type": "succeeded", "message": message}
        lines.append({"custom_id": request["custom_id"], "result": result})
        bills.append(call.billed(response_id, model, batch=True))
    batches[batch_id] = lines
    return Reply(_batch_state(call, batch_id, len(lines)), bills=tuple(bills))


def _batch_state(call: Call, batch_id: str, size: int) -> Mapping[str, Any]:
    results = f"http://127.0.0.1:{call.port}/v1/messages/batches/{batch_id}/results"
    counts = dict.fromkeys(("processing", "errored", "canceled", "expired"), 0)
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": {**counts, "succeeded": size},
        "results_url": results,
        "created_at": _CREATED,
        "expires_at": _CREATED,
        "ended_at": _CREATED,
        "archived_at": None,
        "cancel_initiated_at": None,
    }


def _batch_retrieved(call: Call) -> Reply:
    batch_id = call.named["batch"]
    return Reply(_batch_state(call, batch_id, len(call.kept[_BATCHES][batch_id])))


def _batch_results(call: Call) -> Reply:
    lines = call.kept[_BATCHES][call.named["batch"]]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return Reply(body, content_type=_JSON_LINES)


_ONE_BATCH: Final = r"/v1/messages/batches/(?P<batch>\w+)"
_VERTEX: Final = (
    r"/.*/publishers/anthropic/models/(?P<model>[^/:]+):(?:rawPredict|streamRawPredict)"
)

ROUTES: Final = (
    Route("anthropic", "/v1/messages", _message, refuse=_refusal),
    Route("anthropic", "/v1/complete", _completion, refuse=_refusal),
    Route("anthropic", "/v1/messages/count_tokens", _counted, refuse=_refusal),
    Route("anthropic", "/v1/messages/batches", _batch, refuse=_refusal),
    Route("anthropic", _ONE_BATCH, _batch_retrieved, "GET", _refusal),
    Route("anthropic", f"{_ONE_BATCH}/results", _batch_results, "GET", _refusal),
    Route("gcp.vertex_ai", _VERTEX, _message, refuse=_refusal),
    Route("azure.ai.openai", "/v1/messages", _message, refuse=_refusal),
    Route("aws.bedrock", "/v1/messages", _message, refuse=_refusal),
)
