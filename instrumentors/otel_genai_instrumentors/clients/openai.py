"""The `openai` client, 1.40 and newer: chat and legacy completions (plain, streamed, parsed), responses, embeddings;
sync and async, raw responses included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.method import Method
from otel_genai_instrumentors.openai_answers import (
    part_of_chat,
    part_of_response,
    read_chat,
    read_response,
    without_usage,
)
from otel_genai_instrumentors.openai_requests import (
    asking_for_usage,
    posted,
    request,
    server,
)
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.stainless import Stainless, client_of, server_of_post

__all__ = ["OpenAIInstrumentor"]

_LIBRARY: Final = Stainless("openai")
_RESOURCES: Final = "openai.resources"
_CHAT_HOMES: Final = ("completions", "completions.completions")  # before 1.66, and since
_PARSE: Final = Method(
    "chat",
    request,
    read_chat,
    part_of_chat,
    server,
    answer=_LIBRARY.answer_of,
    restore=without_usage,
    shows_attempts=_LIBRARY.shows_attempts,
    client=client_of,
)
_CHAT: Final = _PARSE._replace(prepare=asking_for_usage)
_TEXT: Final = _CHAT._replace(operation="text_completion")
_EMBEDDINGS: Final = _PARSE._replace(operation="embeddings")
_RESPONSES: Final = _PARSE._replace(response=read_response, part=part_of_response)


def _posted(method: Method) -> Method:
    """The same call, sent by the client's own `post`: what is sent is as the caller wrote it."""
    return Method(
        method.operation,
        posted,
        method.response,
        method.part,
        server_of_post,
        answer=_LIBRARY.answer_of_post,
        shows_attempts=method.shows_attempts,
    )


_POSTED: Final = {
    "chat/completions": _posted(_PARSE),
    "completions": _posted(_TEXT),
    "embeddings": _posted(_EMBEDDINGS),
    "responses": _posted(_RESPONSES),
    "responses/compact": _posted(_RESPONSES),
}
"""What goes by no method of its own: the beta of responses, and what frameworks and applications write themselves."""


class OpenAIInstrumentor(ClientInstrumentor):
    """Traces the `openai` client."""

    library = "openai"
    requirements = ("openai >= 1.40",)

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

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        yield from _LIBRARY.patches()
