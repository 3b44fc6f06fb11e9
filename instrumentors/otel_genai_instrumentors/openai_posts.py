"""Clients that Stainless generates and that speak OpenAI's wire format: all that they send goes by `post`, to paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.method import Method
from otel_genai_instrumentors.openai_answers import part_of_chat, read_chat, text_of_chat
from otel_genai_instrumentors.openai_batches import Batches
from otel_genai_instrumentors.openai_media import read_audio, spoken
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.stainless import (
    Stainless,
    body_of_post,
    nothing_to_estimate,
    request_to,
    server_of_post,
)

__all__ = ["PostingInstrumentor", "Posts", "posts"]


class Posts(NamedTuple):
    """The facts of what such a client posts: a chat, what is like one, and what is heard."""

    chat: Method
    heard: Method
    common: Mapping[str, Method]
    """By the end of the path: what every one of them has."""


def posts(library: Stainless, provider: str) -> Posts:
    """The facts of a client.

    Args:
        library: which one it is.
        provider: whose client it is.
    """
    chat = Method(
        "chat",
        request_to(provider),
        read_chat,
        part_of_chat,
        server_of_post,
        answer=library.answer_of_route,
        shows_attempts=library.shows_attempts,
        body=body_of_post,
        text=text_of_chat,
    )
    heard = chat._replace(operation="transcription", response=read_audio, body=nothing_to_estimate)
    common = {
        "chat/completions": chat,
        "embeddings": chat._replace(operation="embeddings"),
        "audio/transcriptions": heard,
        "audio/translations": heard._replace(operation="translation"),
        "audio/speech": heard._replace(operation="speech", uses=spoken),
    }
    return Posts(chat, heard, common)


class PostingInstrumentor(ClientInstrumentor):
    """Traces such a client. Subclasses name its `stainless` names, what it has `posted`, by the end of the path, and
    whose client it is."""

    stainless: ClassVar[Stainless]
    posted: ClassVar[Mapping[str, Method]]
    provider: ClassVar[str]

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        for kind in ("Sync", "Async"):
            yield self.stainless.base, f"{kind}APIClient.post", self.posted

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        yield from self.stainless.patches(beside=Batches(tracer, self._provider).seen)

    def _provider(self, _: Any, host: str | None) -> str:
        return place_of(host or "").provider or self.provider
