"""The `google-genai` client, 1.0 and newer: Gemini's API and Vertex AI; content (plain, streamed, chats, automatic
function calling call by call), embeddings, images, interactions, Live, batches; sync and async."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from otel_genai_instrumentors.client import ClientInstrumentor, Sent
from otel_genai_instrumentors.gates.google_genai import GATE
from otel_genai_instrumentors.gemini_answers import (
    fold_generated,
    read_begun,
    read_drawn,
    read_embedded,
    read_generated,
    read_predicted,
    text_of,
)
from otel_genai_instrumentors.gemini_interactions import INTERACTION_METHODS
from otel_genai_instrumentors.google_batches import GoogleBatches
from otel_genai_instrumentors.google_internals import (
    INTERACTIONS,
    TRANSPORTS,
    body_of,
    content_of,
    headers_of,
    is_amid,
    patches,
    reading,
    server,
    shows_attempts,
)
from otel_genai_instrumentors.google_live import live_patches
from otel_genai_instrumentors.google_paths import EMBEDDED, STREAMED, request_of, sent_by
from otel_genai_instrumentors.method import Attributes, Method
from otel_genai_instrumentors.patching import Patch, Wrapper
from otel_genai_instrumentors.spans import CallTracer

__all__ = ["GoogleGenAIInstrumentor"]


def _generated(answer: Any) -> Attributes:
    return read_generated(content_of(answer), headers_of(answer))


def _folded(found: Attributes, part: Any) -> int:
    return fold_generated(found, content_of(part), headers_of(part))


_CONTENT: Final = Method(
    "generate_content",
    request_of,
    _generated,
    _folded,
    server,
    shows_attempts=shows_attempts,
    body=body_of,
    text=reading(text_of),
    may_wait=is_amid,
)
_EMBEDDINGS: Final = _CONTENT._replace(operation="embeddings", response=reading(read_embedded))
_BY_PATH: Final = {
    "generateContent": _CONTENT,
    STREAMED: _CONTENT,
    "embedContent": _EMBEDDINGS,
    "batchEmbedContents": _EMBEDDINGS,
    EMBEDDED: _EMBEDDINGS._replace(response=reading(read_predicted)),
    "predict": _CONTENT._replace(response=reading(read_drawn)),
    "predictLongRunning": _CONTENT._replace(response=reading(read_begun)),
}


class GoogleGenAIInstrumentor(ClientInstrumentor):
    """Traces the `google-genai` client."""

    library = "google-genai"
    requirements = ("google-genai >= 1.0",)
    gate = GATE

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        for module, path in TRANSPORTS:
            yield module, path, _BY_PATH
        for module, path in INTERACTIONS:
            yield module, path, INTERACTION_METHODS

    def sent(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
        return sent_by(args, kwargs)

    def bare(self) -> Wrapper:
        return self._batches.sent

    def patches(self, **options: Any) -> Iterable[Patch]:
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        self._batches = GoogleBatches(tracer)
        yield from (*super().patches(**options), *patches(), *live_patches(tracer))
        yield from self._batches.patches()
