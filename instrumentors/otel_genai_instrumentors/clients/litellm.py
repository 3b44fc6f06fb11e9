"""LiteLLM, 1.63 and newer: every request that it sends itself, of whatever provider, sync and async.

What it sends by OpenAI's client is that client's call. What it answers from its cache, or is told to make up, is never
sent and so is none; each attempt of a retry or a fall-back is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_cost.usage.wire_paths import PATHS
from otel_genai_instrumentors.client import ClientInstrumentor, Sent, way_of
from otel_genai_instrumentors.gates.litellm import GATE
from otel_genai_instrumentors.litellm_internals import HANDLERS, patches
from otel_genai_instrumentors.method import Attributes, Method
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.wire_requests import body_of, sent

__all__ = ["LiteLLMInstrumentor"]

_BY_PLACE: Final = ("url", "data", "json", "params", "headers")
"""What sync and async take by place, alike."""

_CALLS: Final = {
    "completion": "chat",
    "responses": "chat",
    "anthropic_messages": "chat",
    "generate_content": "chat",
    "text_completion": "text_completion",
    "embedding": "embeddings",
    "image_generation": "image_generation",
    "image_edit": "image_generation",
    "transcription": "transcription",
    "speech": "speech",
    "rerank": "rerank",
}
"""LiteLLM's kind of a call -> operation, for what it sends to a URL that says nothing."""

_OTHERWISE: Final = "litellm "
_PROVIDERS: Final = {
    "cohere_chat": "cohere",
    "ollama_chat": "ollama",
    "text-completion-openai": "openai",
    "custom_openai": "openai",
    "openai_like": "openai",
}
"""LiteLLM's names for a way to reach a provider -> the provider."""


class LiteLLMInstrumentor(ClientInstrumentor):
    """Traces what LiteLLM sends."""

    library = "litellm"
    requirements = ("litellm >= 1.63",)
    gate = GATE

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        ways = {end: sent(operation, _request(whose)) for end, (operation, whose) in PATHS.items()}
        for operation in _CALLS.values():
            ways[_OTHERWISE + operation] = sent(operation, _request(None))
        for kind in ("", "Async"):
            yield HANDLERS, f"{kind}HTTPHandler.post", ways

    def sent(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
        """The path, with a verb as a segment of its own; of a URL that says nothing, what LiteLLM sends it for."""
        named = {**dict(zip(_BY_PLACE, args, strict=False)), **kwargs}
        path = str(named.get("url")).partition("?")[0].replace(":", "/:")
        kind = str(getattr(named.get("logging_obj"), "call_type", ""))
        operation = _CALLS.get(kind) or _CALLS.get(kind.removeprefix("a"))
        if operation is not None and way_of(PATHS, path) is None:
            path = _OTHERWISE + operation
        return Sent(path, (), named) if len(args) <= len(_BY_PLACE) else Sent(path, args, kwargs)

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        yield from patches()


def _request(default: str | None) -> Callable[..., Attributes]:
    """The reader of requests of which nothing else may name the provider."""

    def request(_: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
        known: Any = kwargs.get("logging_obj")
        details: Mapping[str, Any] = getattr(known, "model_call_details", {})
        via: Any = details.get("custom_llm_provider")
        model: Any = getattr(known, "model", None) or _model_in(body_of(kwargs))
        return {
            names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider
            or _PROVIDERS.get(via, via)
            or default,
            names.GEN_AI_REQUEST_MODEL: model if isinstance(model, str) else None,
            names.GEN_AI_REQUEST_STREAM: kwargs.get("stream") is True or None,
        }

    return request


def _model_in(body: Any) -> Any:
    return cast("Mapping[str, Any]", body).get("model") if isinstance(body, Mapping) else None
