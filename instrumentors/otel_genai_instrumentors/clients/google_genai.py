"""The `google-genai` client, 1.0 and newer: Gemini's API and Vertex AI; content (plain, streamed, chats, automatic
function calling call by call), embeddings, images; sync and async."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.client import ClientInstrumentor, Sent
from otel_genai_instrumentors.gemini_answers import (
    fold_generated,
    is_to_embed,
    read_drawn,
    read_embedded,
    read_generated,
    read_predicted,
    text_of,
    tier_asked,
)
from otel_genai_instrumentors.google_internals import (
    TRANSPORTS,
    body_of,
    bound,
    content_of,
    headers_of,
    location_of,
    patches,
    server,
    shows_attempts,
)
from otel_genai_instrumentors.method import Attributes, Method
from otel_genai_instrumentors.patching import Patch

__all__ = ["GoogleGenAIInstrumentor"]

_MODEL: Final = re.compile(r"(?:.*/)?(?:publishers/[^/]+/)?models/([^/]+)")
"""What stands before a model's name; a tuned model and an endpoint are named as a whole."""

_STREAMED: Final = "streamGenerateContent"
_EMBEDDED: Final = "predict/embeddings"


def _request(client: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    path, _, action = kwargs["path"].partition("?")[0].rpartition(":")
    found = _MODEL.fullmatch(path)
    location = location_of(client)
    provider = "gcp.gemini" if location is None else "gcp.vertex_ai"
    return {
        names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or provider,
        names.GEN_AI_REQUEST_MODEL: path if found is None else found[1],
        names.GEN_AI_REQUEST_STREAM: action == _STREAMED or None,
        names.REGION: location or None,
        names.SERVICE_TIER: tier_asked(body_of(kwargs)),
    }


def _generated(answer: Any) -> Attributes:
    return read_generated(content_of(answer), headers_of(answer))


def _reading(read: Callable[[Mapping[str, Any]], Attributes]) -> Callable[[Any], Attributes]:
    return lambda answer: read(content_of(answer))


def _folded(found: Attributes, part: Any) -> int:
    return fold_generated(found, content_of(part), headers_of(part))


def _text(part: Any) -> str | None:
    return text_of(content_of(part))


_CONTENT: Final = Method(
    "generate_content",
    _request,
    _generated,
    _folded,
    server,
    shows_attempts=shows_attempts,
    body=body_of,
    text=_text,
)
_EMBEDDINGS: Final = _CONTENT._replace(operation="embeddings", response=_reading(read_embedded))
_BY_PATH: Final = {
    "generateContent": _CONTENT,
    _STREAMED: _CONTENT,
    "embedContent": _EMBEDDINGS,
    "batchEmbedContents": _EMBEDDINGS,
    _EMBEDDED: _EMBEDDINGS._replace(response=_reading(read_predicted)),
    "predict": _CONTENT._replace(response=_reading(read_drawn)),
}


class GoogleGenAIInstrumentor(ClientInstrumentor):
    """Traces the `google-genai` client."""

    library = "google-genai"
    requirements = ("google-genai >= 1.0",)

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        return ()

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        for module, path in TRANSPORTS:
            yield module, path, _BY_PATH

    def sent(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
        """By the action that ends the path. Vertex's `predict` embeds texts, and draws what a prompt says."""
        sent = bound(args, kwargs)
        action = sent.path.partition("?")[0].rpartition(":")[2]
        if action == "predict" and is_to_embed(body_of(sent.kwargs)):
            action = _EMBEDDED
        return sent._replace(path=action)

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        yield from patches()
