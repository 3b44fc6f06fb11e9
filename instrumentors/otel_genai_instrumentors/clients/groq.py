"""The `groq` client, 0.9 and newer: chat, embeddings, transcriptions, translations, speech; sync and async, raw
responses, `client.post`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.method import Method
from otel_genai_instrumentors.openai_answers import part_of_chat, read_chat, text_of_chat
from otel_genai_instrumentors.openai_media import read_audio, spoken
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.stainless import (
    Stainless,
    body_of_post,
    nothing_to_estimate,
    request_to,
    server_of_post,
)

__all__ = ["GroqInstrumentor"]

_LIBRARY: Final = Stainless("groq")
_CHAT: Final = Method(
    "chat",
    request_to("groq"),
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
    "embeddings": _CHAT._replace(operation="embeddings"),
    "audio/transcriptions": _HEARD,
    "audio/translations": _HEARD._replace(operation="translation"),
    "audio/speech": _HEARD._replace(operation="speech", uses=spoken),
}


class GroqInstrumentor(ClientInstrumentor):
    """Traces the `groq` client."""

    library = "groq"
    requirements = ("groq >= 0.9",)

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        return ()

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        for kind in ("Sync", "Async"):
            yield _LIBRARY.base, f"{kind}APIClient.post", _POSTED

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        yield from _LIBRARY.patches()
