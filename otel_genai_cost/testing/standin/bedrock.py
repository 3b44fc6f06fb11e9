"""Amazon Bedrock's wire formats: Converse, and InvokeModel in the words of each model's maker; both streamed; images,
Rerank, guardrails, and jobs that are begun.

All of its numbers leave the cache out of the input. The headers of an answer count its tokens, and so does the last
chunk of a stream. `Answer.options` may have `exception`, the type of an error in the stream, and `exception_after`, how
many events come before it; and `units`, what a guardrail reports that it used.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.testing.standin.bedrock_forms import (
    conversation,
    form_of,
    ranking,
    stop_reason,
    tool_uses,
)
from otel_genai_cost.testing.standin.event_stream import EVENT_STREAM, aws_event, aws_exception
from otel_genai_cost.testing.standin.script import Usage
from otel_genai_cost.testing.standin.wire import Billed, Call, Reply, Route

__all__ = ["ROUTES"]

_ERRORS: Final = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_METRICS: Final = "amazon-bedrock-invocationMetrics"


def _refuse(status: int, message: str) -> Mapping[str, Any]:
    return {"code": _ERRORS.get(status, "ServiceUnavailableException"), "message": message}


# --- what every answer comes with ---


def _request_id(call: Call) -> str:
    """A UUID, as AWS has them."""
    return f"{call.port:08x}-0000-4000-8000-{call.number:012x}"


def _tier(call: Call) -> str | None:
    asked: Any = call.body.get("serviceTier") or {}
    return (
        call.answer.context.get("service_tier")
        or asked.get("type")
        or call.headers.get("x-amzn-bedrock-service-tier")
    )


def _latency(call: Call) -> str | None:
    asked: Any = call.body.get("performanceConfig") or {}
    return (
        call.answer.context.get("speed")
        or asked.get("latency")
        or call.headers.get("x-amzn-bedrock-performanceconfig-latency")
    )


def _headers(call: Call, *, counts: bool) -> dict[str, str]:
    usage = call.usage
    found: dict[str, Any] = {"x-amzn-RequestId": _request_id(call)}
    if counts:
        found |= {
            "X-Amzn-Bedrock-Input-Token-Count": usage.fresh,
            "X-Amzn-Bedrock-Output-Token-Count": None
            if "embed" in call.model
            else usage.output_tokens,
            "X-Amzn-Bedrock-Cache-Read-Input-Token-Count": usage.cache_read_tokens,
            "X-Amzn-Bedrock-Cache-Write-Input-Token-Count": usage.written,
            "X-Amzn-Bedrock-Invocation-Latency": 7,
            "X-Amzn-Bedrock-Service-Tier": _tier(call),
            "X-Amzn-Bedrock-PerformanceConfig-Latency": _latency(call),
        }
    return {name: str(value) for name, value in found.items() if value is not None}


def _bill(call: Call, response_id: str | None = None) -> tuple[Billed, ...]:
    return (
        call.billed(
            response_id or _request_id(call),
            call.returned(),
            service_tier=_tier(call),
            speed=_latency(call),
        ),
    )


def _stream(
    call: Call, parts: Iterable[bytes], response_id: str | None = None, **headers: str
) -> Reply:
    return Reply(
        parts=_broken(call, parts),
        bills=_bill(call, response_id),
        content_type=EVENT_STREAM,
        headers={**_headers(call, counts=False), **headers},
    )


def _broken(call: Call, parts: Iterable[bytes]) -> Iterator[bytes]:
    """With an error in the stream, where the option `exception` names one, after as many parts as `exception_after`."""
    kind = call.answer.options.get("exception")
    for n, part in enumerate(parts):
        if kind and n == call.answer.options.get("exception_after", 2):
            yield aws_exception(str(kind), call.answer.message)
            return
        yield part


# --- Converse ---


def _usage(call: Call) -> dict[str, Any]:
    usage = call.usage
    found: dict[str, Any] = {
        "inputTokens": usage.fresh,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.written,
    }
    lifetimes = {"5m": usage.cache_write_5m_tokens, "1h": usage.cache_write_1h_tokens}
    if any(lifetimes.values()):
        found["cacheDetails"] = [{"ttl": ttl, "inputTokens": n} for ttl, n in lifetimes.items()]
    return found


def _conditions(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (tier := _tier(call)) is not None:
        found["serviceTier"] = {"type": tier}
    if (latency := _latency(call)) is not None:
        found["performanceConfig"] = {"latency": latency}
    if call.answer.model is not None:
        found["trace"] = {"promptRouter": {"invokedModelId": call.answer.model}}
    return found


def _converse(call: Call) -> Reply:
    content = [{"text": call.said}, *({"toolUse": use} for use in tool_uses(call))]
    body = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(call),
        "usage": _usage(call),
        "metrics": {"latencyMs": 7},
        **_conditions(call),
    }
    return Reply(body, bills=_bill(call), headers=_headers(call, counts=True))


def _events(call: Call) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from conversation(call)
    yield "metadata", {"usage": _usage(call), "metrics": {"latencyMs": 7}, **_conditions(call)}


def _converse_stream(call: Call) -> Reply:
    events = (aws_event(kind, {**body, "p": "abcdefgh"}) for kind, body in _events(call))
    return _stream(call, events)


def _id_in(body: Mapping[str, Any]) -> str | None:
    return body.get("id") or body.get("response_id")


def _images(call: Call) -> Reply:
    settings: Any = call.body.get("imageGenerationConfig") or {}
    n: int = settings.get("numberOfImages") or call.body.get("samples") or 1
    bills = (call.billed(_request_id(call), call.model, Usage(images=n)),)
    body = {"images": [base64.b64encode(b"image").decode()] * n}
    return Reply(body, bills=bills, headers=_headers(call, counts=False))


def _is_of_images(call: Call) -> bool:
    return "embed" not in call.model and any(
        mark in call.model for mark in ("canvas", "image", "stability.")
    )


def _invoke(call: Call) -> Reply:
    if _is_of_images(call):
        return _images(call)
    body = form_of(call).whole(call)
    has_tokens = "rerank" not in call.model
    headers = _headers(call, counts=has_tokens)
    return Reply(body, bills=_bill(call, _id_in(body)), headers=headers)


def _chunks(call: Call) -> Iterator[bytes]:
    """The last one has the counts."""
    metrics = {
        "inputTokenCount": call.usage.fresh,
        "outputTokenCount": call.usage.output_tokens,
        "cacheReadInputTokenCount": call.usage.cache_read_tokens,
        "cacheWriteInputTokenCount": call.usage.written,
        "invocationLatency": 7,
        "firstByteLatency": 3,
    }
    parts = [*form_of(call).parts(call)]
    for n, part in enumerate(parts):
        whole = {**part, _METRICS: metrics} if n == len(parts) - 1 else part
        packed = base64.b64encode(json.dumps(whole).encode()).decode()
        yield aws_event("chunk", {"bytes": packed, "p": "abcdefgh"})


def _invoke_stream(call: Call) -> Reply:
    first = next(iter(form_of(call).parts(call)))
    response_id = _id_in(first.get("message", first))
    conditions = {
        name: value for name, value in _headers(call, counts=True).items() if "-Count" not in name
    }
    return _stream(call, _chunks(call), response_id, **conditions)


def _count_tokens(call: Call) -> Reply:
    headers = _headers(call, counts=False)
    return Reply({"inputTokens": call.usage.input_tokens}, headers=headers)


def _rerank(call: Call) -> Reply:
    return Reply(ranking(call), bills=_bill(call), headers=_headers(call, counts=False))


def _guardrail(call: Call) -> Reply:
    """It bills by the policy, which no unit of a bill here is."""
    units = call.answer.options.get("units") or {"contentPolicyUnits": 1, "topicPolicyUnits": 0}
    answer: dict[str, Any] = {"usage": units, "action": "NONE", "outputs": [], "assessments": []}
    return Reply(answer, headers=_headers(call, counts=False))


def _checks(call: Call) -> Reply:
    units = call.answer.options.get("units") or {"contentFilter": {"textUnits": 1}}
    return Reply({"results": {}, "usage": units}, headers=_headers(call, counts=False))


def _begin(call: Call) -> Reply:
    arn = f"arn:aws:bedrock:us-east-1:1:async-invoke/{call.number}"
    return Reply({"invocationArn": arn}, headers=_headers(call, counts=False))


def _route(path: str, answer: Callable[[Call], Reply]) -> Route:
    return Route("aws.bedrock", path, answer, refuse=_refuse)


ROUTES: Final = (
    _route(r"/model/(?P<model>[^/]+)/converse", _converse),
    _route(r"/model/(?P<model>[^/]+)/converse-stream", _converse_stream),
    _route(r"/model/(?P<model>[^/]+)/invoke", _invoke),
    _route(r"/model/(?P<model>[^/]+)/invoke-with-response-stream", _invoke_stream),
    _route(r"/model/(?P<model>[^/]+)/count-tokens", _count_tokens),
    _route(r"/guardrail/[^/]+/version/[^/]+/apply", _guardrail),
    _route(r"/guardrail-checks/invoke", _checks),
    _route(r"/async-invoke", _begin),
    _route(r"/rerank", _rerank),
)
"""What a client sends where."""
