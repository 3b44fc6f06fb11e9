"""OpenAI's files and batches, and those of Groq, Together and Mistral, whose files of results have the same format. A
batch is done as soon as it is made: each line of its input is answered as if it had been sent to its own path, as part
of a batch, and the answers are a file.

A batch is billed once, when it is made, whoever reads its results how often.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from otel_genai_cost.testing.standin import groq, mistral, openai, together
from otel_genai_cost.testing.standin.wire import Billed, Call, Reply, Route, refusal
from otel_genai_cost.testing.standin.words import tenant_of

__all__ = ["ROUTES"]

_LINES_MAX: Final = 10_000
_MISTRAL, _TOGETHER = "mistral_ai", "together_ai"
_ROUTES: Final = {
    "openai": ("", openai.ROUTES),
    "groq": ("/openai", groq.ROUTES),
    _TOGETHER: ("", together.ROUTES),
    _MISTRAL: ("", mistral.ROUTES),
}
"""What stands before the paths of a provider's lines, and how each is answered."""


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
        **(
            {"sample_type": "batch_request", "source": "upload"}
            if call.provider == _MISTRAL
            else {}
        ),
    }


def _content(call: Call) -> Reply:
    content = call.kept.get(call.named["id"])
    if content is None:
        return Reply(refusal(404, f"no such file {call.named['id']}"), status=404)
    return Reply(content, content_type="application/octet-stream")


def _create(call: Call) -> Reply:
    batch, bills = _answered(call, call.kept[call.body["input_file_id"]], "output_file_id")
    begun = {**batch, "status": "validating", "output_file_id": None}
    return Reply({"job": begun} if call.provider == _TOGETHER else begun, bills=bills)


def _create_job(call: Call) -> Reply:
    """Of Mistral's, which may bring its requests with it, and give its results."""
    content = b"".join(call.kept[file] for file in call.body.get("input_files") or ())
    inline: list[Any] = call.body.get("requests") or []
    content += b"\n".join(json.dumps(request).encode() for request in inline)
    batch, bills = _answered(call, content, "output_file")
    n = len(content.splitlines())
    counts = dict.fromkeys(("total", "completed", "succeeded"), n) | {"failed": 0}
    batch |= {f"{name}_requests": count for name, count in counts.items()}
    batch |= {"input_files": call.body.get("input_files") or [], "errors": [], "status": "SUCCESS"}
    call.kept[batch["id"]] = batch
    return Reply({**batch, "status": "QUEUED", "output_file": None}, bills=bills)


def _answered(call: Call, content: bytes, output: str) -> tuple[dict[str, Any], tuple[Billed, ...]]:
    """The batch as it is when it is done, which is kept, and what is billed for it."""
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
        "input_file_id": call.body.get("input_file_id"),
        "completion_window": "24h",
        "created_at": call.created,
        "status": "COMPLETED" if call.provider == _TOGETHER else "completed",
        output: output_id,
        "metadata": call.body.get("metadata"),
    }
    call.kept[batch_id] = batch
    return batch, tuple(bills)


def _line(
    call: Call, n: int, line: Mapping[str, Any]
) -> tuple[Mapping[str, Any], tuple[Billed, ...]]:
    """The answer to one line, and what is billed for it."""
    prefix, routes = _ROUTES[call.provider]
    path = prefix + (line.get("url") or call.body["endpoint"])
    route = next(each for each in routes if re.fullmatch(each.path, path))
    body: dict[str, Any] = {"model": call.body.get("model"), **line["body"]}
    text = json.dumps(body.get("messages") or body.get("input") or "")
    number = call.number * _LINES_MAX + n
    asked = replace(call, path=path, body=body, text=text, number=number)
    reply = route.answer(asked)
    answered = {
        "id": f"batch_req_{call.number}_{n}",
        "custom_id": line["custom_id"],
        "response": {"status_code": 200, "request_id": f"req_{n}", "body": reply.body},
        "error": None,
    }
    return answered, tuple(
        each._replace(context={**each.context, "batch": True}, tenant=tenant_of(text))
        for each in reply.bills
    )


def _retrieve(call: Call) -> Reply:
    batch = call.kept.get(call.named["id"])
    if batch is None:
        return Reply(refusal(404, f"no such batch {call.named['id']}"), status=404)
    if call.query.get("inline") != "true":
        return Reply(batch)
    outputs = [json.loads(line) for line in call.kept[batch["output_file"]].splitlines()]
    return Reply({**batch, "output_file": None, "outputs": outputs})


def _list(call: Call) -> Reply:
    kept = [key for key in call.kept if key.startswith("batch_")]
    first = kept.index(call.query["after"]) + 1 if "after" in call.query else 0
    batches = [call.kept[key] for key in kept[first:]]
    if call.provider == _TOGETHER:
        return Reply(batches)
    total = {"total": len(batches)}
    return Reply({"object": "list", "data": batches, "has_more": False, **total})


def _routes(provider: str) -> Iterator[Route]:
    yield Route(provider, r"(?:/openai)?(?:/v1)?/files", _upload)
    yield Route(provider, r"(?:/openai)?(?:/v1)?/files/(?P<id>[^/]+)/content", _content, "GET")
    yield Route(provider, r"(?:/openai)?(?:/v1)?/batches", _create)
    yield Route(provider, r"/v1/batch/jobs", _create_job)
    yield Route(provider, r"(?:/openai)?(?:/v1)?/batch(?:es|/jobs)", _list, "GET")
    yield Route(provider, r"(?:/openai)?(?:/v1)?/batch(?:es|/jobs)/(?P<id>[^/]+)", _retrieve, "GET")


ROUTES: Final = tuple(route for provider in _ROUTES for route in _routes(provider))
