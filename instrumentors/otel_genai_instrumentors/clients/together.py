"""The `together` client, 2.0 and newer (before that it was another code base): chat, completions, embeddings, images,
rerankings, transcriptions, translations, speech; sync and async, raw responses, `client.post`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.method import PART, Attributes, Method
from otel_genai_instrumentors.openai_answers import part_of_chat, read_chat, text_of_chat
from otel_genai_instrumentors.openai_media import read_audio, read_images, spoken
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.stainless import (
    Stainless,
    body_of_post,
    nothing_to_estimate,
    request_to,
    server_of_post,
)

__all__ = ["TogetherInstrumentor"]

_LIBRARY: Final = Stainless("together")


def _part_of_text(found: Attributes, chunk: Any) -> int:
    """A chunk of a streamed completion says itself why it ended, not its choice."""
    usage = getattr(chunk, "usage", None)
    answer = {"id": getattr(chunk, "id", None), "model": getattr(chunk, "model", None)}
    found.update(described({**answer, "usage": as_json(usage) or {}}))
    if reason := getattr(chunk, "finish_reason", None):
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = [reason]
    return PART


def _read_images(answer: Any) -> Attributes:
    return {**read_chat(answer), **read_images(answer)}


def _text(chunk: Any) -> str | None:
    choices = getattr(chunk, "choices", None)
    return getattr(choices[0], "text", None) if choices else None


_CHAT: Final = Method(
    "chat",
    request_to("together_ai"),
    read_chat,
    part_of_chat,
    server_of_post,
    answer=_LIBRARY.answer_of_route,
    shows_attempts=_LIBRARY.shows_attempts,
    body=body_of_post,
    text=text_of_chat,
)
_HEARD: Final = _CHAT._replace(
    operation="transcription", response=read_audio, body=nothing_to_estimate
)
_POSTED: Final = {
    "chat/completions": _CHAT,
    "completions": _CHAT._replace(operation="text_completion", part=_part_of_text, text=_text),
    "embeddings": _CHAT._replace(operation="embeddings"),
    "rerank": _CHAT._replace(operation="rerank"),
    "images/generations": _HEARD._replace(operation="image_generation", response=_read_images),
    "audio/transcriptions": _HEARD,
    "audio/translations": _HEARD._replace(operation="translation"),
    "audio/speech": _HEARD._replace(operation="speech", uses=spoken),
}


class TogetherInstrumentor(ClientInstrumentor):
    """Traces the `together` client."""

    library = "together"
    requirements = ("together >= 2.0",)

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        return ()

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        for kind in ("Sync", "Async"):
            yield _LIBRARY.base, f"{kind}APIClient.post", _POSTED

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        yield from _LIBRARY.patches()
