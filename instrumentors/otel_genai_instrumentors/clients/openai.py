"""The `openai` client, 1.40 and newer: chat (plain and streamed), parse, responses, embeddings; sync and async."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.call import Attributes, Method, Prepared
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.hosts import provider_at

__all__ = ["OpenAIInstrumentor"]


def _server(resource: Any) -> tuple[str | None, int | None]:
    url = resource._client.base_url
    return url.host, url.port


def _request(resource: Any, kwargs: Mapping[str, Any]) -> Attributes:
    azure = "azure.ai.openai" if "Azure" in type(resource._client).__name__ else None
    return {
        names.GEN_AI_PROVIDER_NAME: azure or provider_at(_server(resource)[0]) or "openai",
        names.GEN_AI_REQUEST_MODEL: kwargs.get("model"),
        names.GEN_AI_REQUEST_STREAM: kwargs.get("stream") is True or None,
        names.OPENAI_REQUEST_SERVICE_TIER: _word(kwargs.get("service_tier")),
    }


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _asking_for_usage(kwargs: dict[str, Any]) -> Prepared:
    """A chat stream tells its usage only if asked; who said yes or no, or reads the raw bytes, is left alone."""
    asked: Attributes = dict(kwargs.get("stream_options") or {})
    raw = "stream" in (kwargs.get("extra_headers") or {}).values()
    if kwargs.get("stream") is not True or "include_usage" in asked or raw:
        return Prepared(kwargs)
    return Prepared(
        {**kwargs, "stream_options": {**asked, "include_usage": True}}, hides_chunks=True
    )


def _response(result: Any) -> Attributes:
    found: Attributes = {}
    _chunk(found, result.parse() if hasattr(result, "http_response") else result)
    return found


def _chunk(found: Attributes, part: Any) -> bool:
    """Fold a chat completion, an embedding answer or a chunk; True for a chunk that has nothing but usage."""
    _set(found, names.GEN_AI_RESPONSE_ID, getattr(part, "id", None) or None)
    _set(found, names.GEN_AI_RESPONSE_MODEL, getattr(part, "model", None))
    _set(found, names.OPENAI_RESPONSE_SERVICE_TIER, getattr(part, "service_tier", None))
    choices = getattr(part, "choices", None)
    reasons = [choice.finish_reason for choice in choices or () if choice.finish_reason]
    if reasons:
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
    usage = getattr(part, "usage", None)
    if usage is not None:
        _usage(found, usage, "prompt", "completion")
    return choices == [] and usage is not None


def _usage(found: Attributes, usage: Any, inwards: str, outwards: str) -> None:
    """Totals as told; parts only where they are not zero, as the conventions' other emitters do."""
    _set(found, names.GEN_AI_USAGE_INPUT_TOKENS, getattr(usage, f"{inwards}_tokens", None))
    _set(found, names.GEN_AI_USAGE_OUTPUT_TOKENS, getattr(usage, f"{outwards}_tokens", None))
    for details, key, name in (
        (inwards, "cached_tokens", names.GEN_AI_USAGE_CACHE_READ),
        (inwards, "cache_write_tokens", names.GEN_AI_USAGE_CACHE_WRITE),
        (inwards, "audio_tokens", names.GEN_AI_USAGE_AUDIO_INPUT),
        (outwards, "audio_tokens", names.GEN_AI_USAGE_AUDIO_OUTPUT),
        (outwards, "reasoning_tokens", names.GEN_AI_USAGE_REASONING),
    ):
        part = getattr(getattr(usage, f"{details}_tokens_details", None), key, None)
        _set(found, name, part or None)


def _set(found: Attributes, name: str, value: object) -> None:
    if value is not None:
        found[name] = value


def _responses_response(result: Any) -> Attributes:
    found: Attributes = {}
    answer = result.parse() if hasattr(result, "http_response") else result
    _chunk(found, answer)
    if (usage := getattr(answer, "usage", None)) is not None:
        _usage(found, usage, "input", "output")
    return found


def _responses_event(found: Attributes, event: Any) -> bool:
    if (answer := getattr(event, "response", None)) is not None:
        found.update(_responses_response(answer))
    return False


_CHAT: Final = Method("chat", _request, _response, _chunk, _server, _asking_for_usage)
_PARSE: Final = _CHAT._replace(prepare=Prepared)
_RESPONSES: Final = Method("chat", _request, _responses_response, _responses_event, _server)
_EMBEDDINGS: Final = Method("embeddings", _request, _response, _chunk, _server)


class OpenAIInstrumentor(ClientInstrumentor):
    """Traces the `openai` client."""

    library = "openai"
    requirements = ("openai >= 1.40",)

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        for kind in ("", "Async"):
            yield "openai.resources.chat.completions", f"{kind}Completions.create", _CHAT
            yield "openai.resources.chat.completions", f"{kind}Completions.parse", _PARSE
            yield "openai.resources.responses", f"{kind}Responses.create", _RESPONSES
            yield "openai.resources.responses", f"{kind}Responses.parse", _RESPONSES
            yield "openai.resources.embeddings", f"{kind}Embeddings.create", _EMBEDDINGS
