"""OpenAI's files and batches. A batch is done as soon as it is made: each line of its input is answered as if it had
been sent to its own path, as part of a batch, and the answers are a file.

A batch is billed once, when it is made, whoever reads its results how often.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from otel_genai_cost.testing.standin import openai
from otel_genai_cost.testing.standin.wire import Billed, Call, Reply, Route, refusal

__all__ = ["ROUTES"]

_LINES_MAX: Final = 10_000


def _upload(call: Call) -> Reply:
    file_id = call.new_id("file-")
    call.kept[file_id] = call.body["file"]
    return Reply(_file(call, file_id))


def _file(call: Call, file_id: str) -> dict[str, Any]:
    return {
        "id": file_id,
        "object": "file",
        "bytes": len(call.kept[file_id]),
        "created_at": call.created,
        "filename": "lines.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def _content(call: Call) -> Reply:
    content = call.kept.get(call.named["id"])
    if content is None:
        return Reply(refusal(404, f"no such file {call.named['id']}"), status=404)
    return Reply(content, content_type="application/octet-stream")


def _create(call: Call) -> Reply:
    content: bytes = call.kept[call.body["input_file_id"]]
    lines: list[bytes] = []
    bills: list[Billed] = []
    for n, line in enumerate(content.splitlines()):
        answered, billed = _line(call, n, json.loads(line))
        lines.append(json.dumps(answered).encode() + b"\n")
        bills += billed
    batch_id, output_id = call.new_id("batch_"), call.new_id("file-", n=1)
    call.kept[output_id] = b"".join(lines)
    batch: dict[str, Any] = {
        "id": batch_id,
        "object": "batch",
        "endpoint": call.body["endpoint"],
        "input_file_id": call.body["input_file_id"],
        "completion_window": "24h",
        "created_at": call.created,
        "status": "completed",
        "output_file_id": output_id,
        "metadata": call.body.get("metadata"),
    }
    call.kept[batch_id] = batch
    return Reply({**batch, "status": "validating", "output_file_id": None}, bills=tuple(bills))


def _line(
    call: Call, n: int, line: Mapping[str, Any]
) -> tuple[Mapping[str, Any], tuple[Billed, ...]]:
    """The answer to one line, and what is billed for it."""
    route = next(each for each in openai.ROUTES if re.fullmatch(each.path, line["url"]))
    body: dict[str, Any] = line["body"]
    text = json.dumps(body.get("messages") or body.get("input") or "")
    number = call.number * _LINES_MAX + n
    asked = replace(call, path=line["url"], body=body, text=text, number=number)
    reply = route.answer(asked)
    answered = {
        "id": f"batch_req_{call.number}_{n}",
        "custom_id": line["custom_id"],
        "response": {"status_code": 200, "request_id": f"req_{n}", "body": reply.body},
        "error": None,
    }
    return answered, tuple(
        each._replace(context={**each.context, "batch": True}) for each in reply.bills
    )


def _retrieve(call: Call) -> Reply:
    batch = call.kept.get(call.named["id"])
    if batch is None:
        return Reply(refusal(404, f"no such batch {call.named['id']}"), status=404)
    return Reply(batch)


def _list(call: Call) -> Reply:
    kept = [key for key in call.kept if key.startswith("batch_")]
    first = kept.index(call.query["after"]) + 1 if "after" in call.query else 0
    batches = [call.kept[key] for key in kept[first:]]
    return Reply({"object": "list", "data": batches, "has_more": False})


ROUTES: Final = (
    Route("openai", r"(?:/openai)?(?:/v1)?/files", _upload),
    Route("openai", r"(?:/openai)?(?:/v1)?/files/(?P<id>[^/]+)/content", _content, "GET"),
    Route("openai", r"(?:/openai)?(?:/v1)?/batches", _create),
    Route("openai", r"(?:/openai)?(?:/v1)?/batches", _list, "GET"),
    Route("openai", r"(?:/openai)?(?:/v1)?/batches/(?P<id>[^/]+)", _retrieve, "GET"),
)
