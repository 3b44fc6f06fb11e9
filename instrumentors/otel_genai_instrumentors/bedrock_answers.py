"""What answers of Amazon Bedrock say: Converse in its own words, InvokeModel in those of each model's maker.

The headers of an answer count its tokens whatever its body says, and the last part of a stream does; all of these leave
the cache out of the input. A maker's name for a model is none of Bedrock's, which prices go by, and is left out.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.token_headers import header_usage
from otel_genai_instrumentors.answers import as_json, as_object, described, text_in
from otel_genai_instrumentors.anthropic_answers import part_of_message, text_of_part
from otel_genai_instrumentors.method import FAILED, LAST, PART, Attributes

__all__ = [
    "Part",
    "brings_words",
    "head_of",
    "id_of",
    "is_a_delta",
    "is_counted",
    "part_of_converse",
    "part_of_invoked",
    "read_converse",
    "read_invoked",
    "text_of",
    "unpacked",
]

_PROVIDER: Final = "aws.bedrock"
_METRICS: Final = "amazon-bedrock-invocationMetrics"
_TIER_HEADER: Final = "x-amzn-bedrock-service-tier"
_LATENCY_HEADER: Final = "x-amzn-bedrock-performanceconfig-latency"
_CACHE_HEADER: Final = "x-amzn-bedrock-cache-read-input-token-count"
_FAILURES: Final = frozenset({"exception", "error"})
_CONDITIONS: Final = {
    "service_tier": ("serviceTier", "type"),
    "speed": ("performanceConfig", "latency"),
}
"""Condition of the price -> where an answer of Converse says it."""

_COUNTED_BESIDE: Final = ("generation_token_count", "inputTextTokenCount")
"""Llama and Titan count beside the answer."""

_INPUTS: Final = ("prompt_token_count", "inputTextTokenCount")
_IDS: Final = ("id", "response_id", "generation_id")
_REASONS: Final = (
    "stop_reason",
    "stopReason",
    "finish_reason",
    "completionReason",
    "finishReason",
)
_ANSWERS: Final = ("choices", "results", "outputs", "generations", "completions")
"""Where makers put what was generated, if there may be several."""

_SEVERAL: Final = frozenset(_ANSWERS)

_TEXTS: Final = ("outputText", "generation", "text", "content", "completion")


class Part(NamedTuple):
    """An event of a stream: its type, what it holds, and whether it ends the stream as an error."""

    kind: str
    body: Mapping[str, Any]
    is_failure: bool = False


def _packed_marks(text: str) -> tuple[bytes, ...]:
    """A text as base64 has it, without the ends: there are three ways, by where it stands."""
    found: list[bytes] = []
    for before in range(3):
        packed = b64encode(b"\0" * before + text.encode())
        found.append(packed[-(-before * 4 // 3) : len(packed) // 4 * 4 - 4])
    return tuple(found)


_COUNTED_BYTES_MIN: Final = 160
"""No last chunk is shorter, and to look through a chunk costs as much as all else. One that is would be read at the
stream's end."""

_ONE, _TWO, _THREE = _packed_marks(_METRICS)


def is_a_delta(event: Any) -> bool:
    """Whether an event of Converse brings text and nothing else."""
    return bool(event.headers.get(":event-type") == "contentBlockDelta")


def brings_words(event: Any) -> bool:
    """Whether an event is a chunk that does not count what was used, as the last one does."""
    payload: bytes = event.payload
    is_short = len(payload) < _COUNTED_BYTES_MIN
    if not is_short and (_ONE in payload or _TWO in payload or _THREE in payload):
        return False
    return bool(event.headers.get(":event-type") == "chunk")


def unpacked(event: Any) -> Part:
    """An event, from its headers and its bytes. What a chunk holds is packed once more."""
    headers: Mapping[str, Any] = event.headers
    body = as_object(json.loads(event.payload or b"{}"))
    if headers.get(":message-type") in _FAILURES:
        kind = headers.get(":exception-type") or headers.get(":error-code") or ""
        return Part(str(kind), body, is_failure=True)
    kind = str(headers.get(":event-type"))
    packed = body.get("bytes") if kind == "chunk" else None
    return Part(kind, body if packed is None else as_object(json.loads(b64decode(packed))))


def read_converse(answer: Any) -> Attributes:
    """An answer of Converse, or the last event of its stream. botocore before the cache was known leaves its counts
    out: then they are in the headers, or only the total shows that there are any."""
    usage = {**header_usage(answer), **as_object(answer.get("usage"))}
    said: dict[str, Any] = {"id": as_object(answer.get("ResponseMetadata")).get("RequestId")}
    for name, (key, inner) in _CONDITIONS.items():
        if key in answer:
            said[name] = as_object(answer[key]).get(inner)
    found = described({**said, "model": _routed_to(answer), "usage": usage}, _PROVIDER)
    if _hides_cache(usage):
        found[names.USAGE_INCOMPLETE] = True
    return _stopped(found, answer)


def _hides_cache(usage: Mapping[str, Any]) -> bool:
    """Whether the total counts more than the input and the output."""
    counts = [usage.get(key) for key in ("totalTokens", "inputTokens", "outputTokens")]
    if "cacheReadInputTokens" in usage or not all(type(count) is int for count in counts):
        return False
    total, inwards, outwards = cast("list[int]", counts)
    return total > inwards + outwards


def read_invoked(body: Any) -> Attributes:
    """A body of InvokeModel, as JSON has it or as namespaces."""
    body = as_object(as_json(body))
    is_beside = any(body.get(key) is not None for key in _COUNTED_BESIDE)
    usage = body if is_beside else body.get("usage") or body.get("meta")
    found = described({"id": _id_of(body), "usage": usage}, _PROVIDER)
    return _stopped(found, body)


def id_of(answer: Mapping[str, Any]) -> Attributes:
    """How AWS calls the request, which is all that is known of an answer that nobody has to read."""
    return described({"id": as_object(answer.get("ResponseMetadata")).get("RequestId")}, _PROVIDER)


def head_of(answer: Mapping[str, Any]) -> Attributes:
    """What is known of an answer before its body is read: its headers."""
    metadata = as_object(answer.get("ResponseMetadata"))
    headers = as_object(metadata.get("HTTPHeaders"))
    return described(
        {
            "id": metadata.get("RequestId"),
            "usage": header_usage(cast("dict[str, Any]", answer)),
            "service_tier": headers.get(_TIER_HEADER),
            "speed": headers.get(_LATENCY_HEADER),
        },
        _PROVIDER,
    )


def is_counted(answer: Mapping[str, Any]) -> bool:
    """Whether the headers count all that was used, the cache included, which older answers leave out."""
    headers = as_object(as_object(answer.get("ResponseMetadata")).get("HTTPHeaders"))
    return _CACHE_HEADER in headers and "outputTokens" in header_usage(
        cast("dict[str, Any]", answer)
    )


def part_of_converse(found: Attributes, part: Part) -> int:
    """An event of ConverseStream. The last one has the usage, after the one with the reason."""
    if part.is_failure:
        return _failed(found, part)
    if part.kind == "messageStop":
        _stopped(found, part.body)
    elif part.kind == "metadata":
        found.update(read_converse(part.body))
        return LAST
    return PART


def part_of_invoked(found: Attributes, part: Part) -> int:
    """A chunk of InvokeModelWithResponseStream: an event of the model's maker, the last with the counts for all."""
    if part.is_failure:
        return _failed(found, part)
    body = part.body
    if "type" in body:
        part_of_message(found, body)
        found.pop(names.GEN_AI_RESPONSE_MODEL, None)
    else:
        _fold(found, body)
    metrics = as_object(body.get(_METRICS))
    if not metrics:
        return PART
    if names.GEN_AI_USAGE_OUTPUT_TOKENS not in found:
        found.update(described({"usage": metrics}, _PROVIDER))
    return LAST


def text_of(part: Part) -> str | None:
    """The text that a part of a stream brings, an answer's or a thought's."""
    body = part.body
    if "type" in body and part.kind == "chunk":
        return text_of_part(body)
    delta = as_object(as_object(body.get("contentBlockDelta", body)).get("delta"))
    if delta:
        tool = as_object(delta.get("toolUse")).get("input")
        return _text(delta) or _text(as_object(delta.get("reasoningContent"))) or text_in(tool)
    answers = (as_object(each.get("delta", each.get("message", each))) for each in _answers(body))
    return _text(body) or next(filter(None, map(_text, answers)), None)


def _fold(found: Attributes, body: Mapping[str, Any]) -> None:
    """What a chunk says of the whole: who answers, why it stopped, and, of some makers, the usage or the input."""
    if body.get("usage") or body.get("metadata"):
        usage = body.get("usage") or as_object(body["metadata"]).get("usage")
        found.update(described({"usage": usage}, _PROVIDER))
    for key in _INPUTS:
        if type(count := body.get(key)) is int:
            found[names.GEN_AI_USAGE_INPUT_TOKENS] = count
    if (response_id := _id_of(body)) is not None:
        found[names.GEN_AI_RESPONSE_ID] = response_id
    _stopped(found, as_object(body.get("messageStop")) or body)


def _failed(found: Attributes, part: Part) -> int:
    found[names.ERROR_TYPE] = f"botocore.EventStreamError.{part.kind}"
    return FAILED


def _routed_to(answer: Any) -> str | None:
    """The model that a prompt router chose, which is the one that is billed."""
    if "trace" not in answer:
        return None
    router = as_object(as_object(answer["trace"]).get("promptRouter"))
    return text_in(router.get("invokedModelId"))


def _stopped(found: Attributes, holder: Mapping[str, Any]) -> Attributes:
    """With the reasons why it stopped, where it says them."""
    holders = (holder,) if _SEVERAL.isdisjoint(holder) else (holder, *_answers(holder))
    reasons = [
        reason
        for each in holders
        for key in _REASONS
        if key in each and (reason := text_in(each[key]))
    ]
    if reasons:
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
    return found


def _answers(body: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for key in _ANSWERS:
        several: Any = body.get(key)
        if isinstance(several, (list, tuple)):
            yield from map(as_object, cast("list[Any]", several))


def _id_of(body: Mapping[str, Any]) -> str | None:
    return next((found for key in _IDS if (found := text_in(body.get(key)))), None)


def _text(holder: Mapping[str, Any]) -> str | None:
    return next((text for key in _TEXTS if (text := text_in(holder.get(key)))), None)
