"""The `openai` client, 1.40 and newer: chat and legacy completions, responses (made, and read again later), embeddings,
images, speech, transcriptions and moderations; plain, streamed, parsed; sync and async, raw responses included; the
results of batches, and what comes over the websockets of the realtime and the Responses API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from otel_genai_instrumentors import openai_answers as answers
from otel_genai_instrumentors import openai_media as media
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.gates.openai import GATE
from otel_genai_instrumentors.method import READ_AGAIN, Method
from otel_genai_instrumentors.openai_batches import Batches
from otel_genai_instrumentors.openai_realtime import websocket_patches
from otel_genai_instrumentors.openai_requests import (
    asking_for_usage,
    decided,
    fetched,
    posted,
    provider,
    request,
    server,
)
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.stainless import Stainless, client_of, nothing_to_estimate

__all__ = ["OpenAIInstrumentor"]

_LIBRARY: Final = Stainless("openai")
_RESOURCES: Final = "openai.resources"
_CHAT_HOMES: Final = ("completions", "completions.completions")  # before 1.66, and since
_PARSE: Final = Method(
    "chat",
    request,
    answers.read_chat,
    answers.part_of_chat,
    server,
    answer=_LIBRARY.answer_of,
    restore=answers.without_usage,
    shows_attempts=_LIBRARY.shows_attempts,
    client=client_of,
    text=answers.text_of_chat,
)
_CHAT: Final = _PARSE._replace(prepare=asking_for_usage)
_TEXT: Final = _CHAT._replace(operation="text_completion", text=answers.text_of_completion)
_EMBEDDINGS: Final = _PARSE._replace(operation="embeddings")
_RESPONSES: Final = _PARSE._replace(
    response=answers.read_response, part=answers.part_of_response, text=answers.text_of_response
)


_SENT: Final = _LIBRARY.by_path(_PARSE, posted)._replace(
    answer=_LIBRARY.answer_of_route, body=nothing_to_estimate, text=nothing_to_estimate
)
"""What the resources send by methods that are not wrapped, and of which nothing can be estimated."""

_IMAGES: Final = _SENT._replace(
    operation="image_generation", response=media.read_images, part=media.part_of_images
)
_HEARD: Final = _SENT._replace(
    operation="transcription", response=media.read_audio, part=media.part_of_audio
)
_FETCHED: Final = _SENT._replace(
    operation=READ_AGAIN,
    request=fetched,
    response=answers.read_response,
    part=answers.part_of_response,
)
_POSTED: Final = {
    "chat/completions": _LIBRARY.by_path(_PARSE, posted),
    "completions": _LIBRARY.by_path(_TEXT, posted),
    "embeddings": _LIBRARY.by_path(_EMBEDDINGS, posted),
    "responses": _LIBRARY.by_path(_RESPONSES, posted),
    "responses/compact": _LIBRARY.by_path(_RESPONSES, posted),
    "responses/*/cancel": _FETCHED,
    "decisions": _LIBRARY.by_path(_RESPONSES, decided)._replace(operation="decision"),
    **dict.fromkeys(("images/generations", "images/edits", "images/variations"), _IMAGES),
    "audio/speech": _HEARD._replace(operation="speech", uses=media.spoken),
    "audio/transcriptions": _HEARD,
    "audio/translations": _HEARD._replace(operation="translation"),
    "moderations": _SENT._replace(operation="moderation", response=media.read_moderation),
}
"""By path, whoever sends it: the resources of these, the beta of responses, frameworks and applications."""

_GOT: Final = {"responses/*": _FETCHED}


class OpenAIInstrumentor(ClientInstrumentor):
    """Traces the `openai` client."""

    library = "openai"
    requirements = ("openai >= 1.40",)
    gate = GATE

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        for kind in ("", "Async"):
            for home in _CHAT_HOMES:
                yield f"{_RESOURCES}.chat.{home}", f"{kind}Completions.create", _CHAT
                yield f"{_RESOURCES}.chat.{home}", f"{kind}Completions.parse", _PARSE
            yield f"{_RESOURCES}.beta.chat.completions", f"{kind}Completions.parse", _PARSE
            yield f"{_RESOURCES}.completions", f"{kind}Completions.create", _TEXT
            yield f"{_RESOURCES}.responses.responses", f"{kind}Responses.create", _RESPONSES
            yield f"{_RESOURCES}.responses.responses", f"{kind}Responses.parse", _RESPONSES
            yield f"{_RESOURCES}.embeddings", f"{kind}Embeddings.create", _EMBEDDINGS

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        for kind in ("Sync", "Async"):
            yield _LIBRARY.base, f"{kind}APIClient.post", _POSTED
            yield _LIBRARY.base, f"{kind}APIClient.get", _GOT

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        yield from _LIBRARY.patches(beside=Batches(tracer, provider).seen)
        yield from websocket_patches(tracer)
