"""Gemini's wire format, of its own API and of Vertex AI: content, embeddings, images, token counts.

    python -m otel_genai_cost.testing.standin.gemini --port 0 --bill provider.jsonl

`Answer.options` of this format: `tool_use_tokens`, the part of the input that tools read; `embedding_usage`, whether an
embedding's tokens are reported, which Gemini's own API does for its newest models only; `modality_details`, False to
leave them out; `finish_reason` and `block_reason`; `tier_header`, whether the tier stands in a header alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.testing.standin.command import serve
from otel_genai_cost.testing.standin.script import Usage
from otel_genai_cost.testing.standin.server import StandIn
from otel_genai_cost.testing.standin.wire import EVENTS, Call, Reply, Route, events

__all__ = ["ROUTES", "GeminiStandIn", "usage_on_the_wire"]

_GEMINI: Final = "gcp.gemini"
_VERTEX: Final = "gcp.vertex_ai"
_PATHS: Final = {
    _GEMINI: r"/v1[a-z0-9]*/(?:models/)?(?P<model>[^:?]+)",
    _VERTEX: r"/v1[a-z0-9]*/(?:projects/[^/]+/locations/(?P<location>[^/]+)/)?"
    r"(?:publishers/[^/]+/models/|endpoints/)(?P<model>[^:/?]+)",
}
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GeminiStandIn(StandIn):
    """A stand-in for Gemini's API and Vertex AI; `url` is the client's base URL."""

    def __init__(self, bill: Path | None = None, port: int = 0) -> None:
        super().__init__(_GEMINI, _VERTEX, bill=bill, port=port)


def _refusal(status: int, message: str) -> Mapping[str, Any]:
    kind = _STATUSES.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message, "status": kind}}


def usage_on_the_wire(
    usage: Usage, tool_use: int = 0, *, has_details: bool = True
) -> dict[str, Any]:
    """Usage as Gemini reports it: thoughts beside the candidates, what tools read beside the prompt.

    Args:
        usage: what is reported.
        tool_use: input tokens that tools read.
        has_details: whether tokens are also reported by modality.
    """
    prompt, candidates = usage.input_tokens - tool_use, usage.output_tokens - usage.reasoning_tokens
    reported: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    apart = {
        "toolUsePromptTokenCount": tool_use,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
    }
    reported.update({key: count for key, count in apart.items() if count})
    return {**reported, **_details(usage, prompt, candidates)} if has_details else reported


def _details(usage: Usage, prompt: int, candidates: int) -> dict[str, Any]:
    asked = {
        "AUDIO": usage.input_audio_tokens,
        "IMAGE": usage.input_image_tokens,
        "VIDEO": usage.input_video_tokens,
    }
    answered = {"AUDIO": usage.output_audio_tokens, "IMAGE": usage.output_image_tokens}
    sides = {
        "promptTokensDetails": _by_modality(prompt, asked),
        "candidatesTokensDetails": _by_modality(candidates, answered),
        "cacheTokensDetails": _by_modality(
            usage.cache_read_tokens, {"AUDIO": usage.cached_audio_tokens}
        ),
    }
    return {key: found for key, found in sides.items() if found}


def _by_modality(total: int, parts: Mapping[str, int]) -> list[dict[str, Any]]:
    counts = {"TEXT": total - sum(parts.values()), **parts}
    return [{"modality": kind, "tokenCount": n} for kind, n in counts.items() if n]


def _content(call: Call) -> Reply:
    common = _common(call)
    if (reason := call.answer.options.get("block_reason")) is not None:
        answer = {**common, "promptFeedback": {"blockReason": reason}}
    else:
        answer = {**common, "candidates": [_candidate(call, call.said)]}
    return Reply(
        {**answer, "usageMetadata": _usage(call, call.usage)},
        bills=(_bill(call, common),),
        headers=_headers(call),
    )


def _stream(call: Call) -> Reply:
    common = _common(call)
    return Reply(
        parts=events(_chunks(call, common)),
        bills=(_bill(call, common),),
        content_type=EVENTS,
        headers=_headers(call),
    )


def _common(call: Call) -> dict[str, Any]:
    return {"responseId": call.new_id("gemini-"), "modelVersion": call.returned()}


def _bill(call: Call, common: Mapping[str, Any]) -> Any:
    return call.billed(
        common["responseId"],
        common["modelVersion"],
        region=call.named.get("location"),
        service_tier=call.body.get("serviceTier"),
    )


def _chunks(call: Call, common: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every chunk has the usage so far; the last one all of it."""
    words = call.words
    for n, word in enumerate(words):
        is_last = n == len(words) - 1
        candidate = _candidate(call, word) if is_last else _said(word)
        share = call.usage.output_tokens * n // len(words)
        so_far = call.usage._replace(
            output_tokens=share, reasoning_tokens=0, output_audio_tokens=0, output_image_tokens=0
        )
        usage = _usage(call, call.usage if is_last else so_far)
        yield {**common, "candidates": [candidate], "usageMetadata": usage}


def _said(text: str) -> dict[str, Any]:
    return {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}


def _candidate(call: Call, text: str) -> dict[str, Any]:
    """The last of an answer: what it says or asks for, why it ends, and what was searched."""
    candidate = _said(text)
    if call.answer.tool_calls and "functionResponse" not in call.text:
        candidate["content"]["parts"] = [
            {"functionCall": {"name": tool.name, "args": dict(tool.arguments)}}
            for tool in call.answer.tool_calls
        ]
    candidate["finishReason"] = call.answer.options.get("finish_reason", "STOP")
    if call.usage.web_searches:
        queries = [f"what is {n}?" for n in range(call.usage.web_searches)]
        candidate["groundingMetadata"] = {"webSearchQueries": queries}
    return candidate


def _usage(call: Call, usage: Usage) -> dict[str, Any]:
    options = call.answer.options
    reported = usage_on_the_wire(
        usage,
        options.get("tool_use_tokens", 0),
        has_details=options.get("modality_details", True),
    )
    tier = call.condition("service_tier") or call.body.get("serviceTier")
    if call.provider == _VERTEX:
        return {**reported, "trafficType": _traffic(tier)}
    return (
        reported if options.get("tier_header") else {**reported, "serviceTier": tier or "standard"}
    )


def _traffic(tier: str | None) -> str:
    if tier == "provisioned_throughput":
        return tier.upper()
    return f"ON_DEMAND_{tier.upper()}" if tier not in (None, "standard") else "ON_DEMAND"


def _headers(call: Call) -> Mapping[str, str]:
    if call.provider == _VERTEX:
        return {}
    tier = call.condition("service_tier") or call.body.get("serviceTier")
    return {"x-gemini-service-tier": tier or "standard"}


def _embedded(call: Call) -> Reply:
    """Gemini's own API; Vertex has its newest models there too."""
    usage = Usage(input_tokens=call.usage.input_tokens)
    asked: Any = call.body.get("requests")
    values = {"values": [0.25, 0.5]}
    answer: dict[str, Any] = (
        {"embedding": values} if asked is None else {"embeddings": [values for _ in asked]}
    )
    if call.answer.options.get("embedding_usage"):
        answer["usageMetadata"] = {"promptTokenCount": usage.input_tokens}
    return Reply(answer, bills=(call.billed(None, call.returned(), usage),))


def _predicted(call: Call) -> Reply:
    """Vertex's older embeddings, which count the tokens of each text, and images."""
    instances: list[Any] = call.body["instances"]
    region = call.named.get("location")
    if "content" not in instances[0]:
        return _drawn(call, region)
    share = call.usage.input_tokens
    predictions = [
        {"embeddings": {"values": [0.25], "statistics": {"token_count": share, "truncated": False}}}
        for _ in instances
    ]
    usage = Usage(input_tokens=share * len(instances))
    return Reply(
        {"predictions": predictions},
        bills=(call.billed(None, call.returned(), usage, region=region),),
    )


def _drawn(call: Call, region: str | None) -> Reply:
    count = call.usage.images or call.body.get("parameters", {}).get("sampleCount", 1)
    predictions: list[dict[str, Any]] = [
        {"bytesBase64Encoded": "aGk=", "mimeType": "image/png"} for _ in range(count)
    ]
    predictions += [{"raiFilteredReason": "unsafe"}] * call.answer.options.get("withheld", 0)
    bill = call.billed(None, call.returned(), Usage(images=count), region=region)
    return Reply({"predictions": predictions}, bills=(bill,))


def _begun(call: Call) -> Reply:
    """A video, which is billed by what is made."""
    name = call.new_id("operations/")
    usage = Usage(seconds=call.body.get("parameters", {}).get("durationSeconds", 8))
    return Reply({"name": name}, bills=(call.billed(name, call.returned(), usage),))


def _counted(call: Call) -> Reply:
    """Which is free."""
    return Reply({"totalTokens": call.usage.input_tokens})


def _batched(call: Call) -> Reply:
    """A batch is done when it is first asked about. Its results are in it, or in a file if `options` have `file`."""
    requests: list[Any] = call.body["batch"]["inputConfig"]["requests"]["requests"]
    results = [_result(call, n + 1) for n in range(len(requests))]
    name = call.new_id("batches/")
    held: dict[str, Any] = {"inlinedResponses": {"inlinedResponses": results}}
    if call.answer.options.get("file"):
        held = {"responsesFile": call.new_id("files/")}
        lines = (json.dumps({"key": str(n), **each}) for n, each in enumerate(results))
        call.kept[held["responsesFile"]] = "\n".join(lines).encode()
    metadata = {"state": "BATCH_STATE_SUCCEEDED", "model": f"models/{call.model}", "output": held}
    call.kept[name] = {"name": name, "done": True, "metadata": metadata}
    bills = tuple(
        call.billed(each["response"]["responseId"], call.model, batch=True) for each in results
    )
    begun = {"name": name, "metadata": {"state": "BATCH_STATE_PENDING"}}
    return Reply(begun, bills=bills)


def _result(call: Call, n: int) -> dict[str, Any]:
    common = {"responseId": call.new_id("gemini-", n), "modelVersion": call.returned()}
    usage = usage_on_the_wire(call.usage)
    return {
        "response": {
            **common,
            "candidates": [_candidate(call, call.said)],
            "usageMetadata": usage,
        }
    }


def _batch(call: Call) -> Reply:
    return Reply(call.kept[f"batches/{call.named['id']}"])


def _file(call: Call) -> Reply:
    content: bytes = call.kept[f"files/{call.named['id']}"]
    return Reply(content, content_type="application/jsonl")


def _interaction(call: Call) -> Reply:
    """Stored under its id; in the background, the first answer has no usage yet."""
    whole: dict[str, Any] = {
        "id": call.new_id("interaction-"),
        "model": call.returned(),
        "status": "completed",
        "steps": [],
        "usage": _interaction_usage(call.usage, call.answer.options.get("tool_use_tokens", 0)),
    }
    call.kept[whole["id"]] = whole
    bills = (call.billed(whole["id"], whole["model"]),)
    begun = {"id": whole["id"], "model": whole["model"], "status": "in_progress"}
    if call.body.get("stream"):
        parts = events(_interaction_events(call, begun, whole), "[DONE]")
        return Reply(parts=parts, bills=bills, content_type=EVENTS)
    return Reply(begun if call.body.get("background") else whole, bills=bills)


def _stored(call: Call) -> Reply:
    return Reply(call.kept[call.named["id"]])


def _interaction_events(
    call: Call, begun: Mapping[str, Any], whole: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    yield {"event_type": "interaction.created", "interaction": begun}
    for word in call.words:
        delta = {"type": "text", "text": word}
        yield {"event_type": "step.delta", "index": 0, "delta": delta}
    yield {"event_type": "interaction.completed", "interaction": whole}


def _interaction_usage(usage: Usage, tool_use: int) -> dict[str, Any]:
    by_modality = {"text": usage.input_tokens - tool_use - usage.input_audio_tokens}
    if usage.input_audio_tokens:
        by_modality["audio"] = usage.input_audio_tokens
    return {
        "total_input_tokens": usage.input_tokens - tool_use,
        "total_output_tokens": usage.output_tokens - usage.reasoning_tokens,
        "total_thought_tokens": usage.reasoning_tokens,
        "total_cached_tokens": usage.cache_read_tokens,
        "total_tool_use_tokens": tool_use,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens_by_modality": [
            {"modality": kind, "tokens": count} for kind, count in by_modality.items()
        ],
        "grounding_tool_count": [{"type": "google_search", "count": usage.web_searches}],
    }


_ACTIONS: Final = {
    "generateContent": _content,
    "streamGenerateContent": _stream,
    "embedContent": _embedded,
    "batchEmbedContents": _embedded,
    "predict": _predicted,
    "countTokens": _counted,
    "batchGenerateContent": _batched,
    "predictLongRunning": _begun,
}

_ON_MODELS: Final = tuple(
    Route(provider, f"{path}:{action}", answer, refuse=_refusal)
    for action, answer in _ACTIONS.items()
    for provider, path in sorted(_PATHS.items(), reverse=True)
)
ROUTES: Final = (
    *_ON_MODELS,
    Route(_GEMINI, r"/v1[a-z0-9]*/batches/(?P<id>[^/]+)", _batch, "GET", _refusal),
    Route(_GEMINI, r"/v1[a-z0-9]*/files/(?P<id>[^/:]+):download", _file, "GET", _refusal),
    Route(_GEMINI, r"/v1[a-z0-9]*/interactions", _interaction, refuse=_refusal),
    Route(_GEMINI, r"/v1[a-z0-9]*/interactions/(?P<id>[^/]+)", _stored, "GET", _refusal),
)


if __name__ == "__main__":
    serve("A stand-in for Gemini's API and Vertex AI.", GeminiStandIn)
