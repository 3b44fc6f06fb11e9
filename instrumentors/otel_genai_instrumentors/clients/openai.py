"""The `openai` client, 1.40 and newer: chat and legacy completions (plain, streamed, parsed), responses, embeddings;
sync and async, raw responses included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_cost.tenancy.egress import may_ask_for_usage
from otel_genai_instrumentors import openai_internals
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.method import Attributes, Method, Prepared
from otel_genai_instrumentors.openai_answers import (
    part_of_chat,
    part_of_response,
    read_chat,
    read_response,
    without_usage,
)
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.stream_usage import asks_for_usage

__all__ = ["OpenAIInstrumentor"]

_BODY_SAYS: Final = frozenset({"stream_options", "usage", "data_sources", "dataSources"})
"""Parts of a body given as a whole that ask for usage in the caller's own way, or that forbid to ask for it."""


def _server(resource: Any) -> tuple[str | None, int | None]:
    url = openai_internals.client_of(resource).base_url
    return url.host, url.port


def _request(resource: Any, kwargs: Mapping[str, Any]) -> Attributes:
    azure = (
        "azure.ai.openai"
        if "Azure" in type(openai_internals.client_of(resource)).__name__
        else None
    )
    return {
        names.GEN_AI_PROVIDER_NAME: azure
        or place_of(_server(resource)[0] or "").provider
        or "openai",
        names.GEN_AI_REQUEST_MODEL: _word(kwargs.get("model")),
        names.GEN_AI_REQUEST_STREAM: kwargs.get("stream") is True or None,
        names.OPENAI_REQUEST_SERVICE_TIER: _word(kwargs.get("service_tier")),
    }


def _word(value: object) -> str | None:
    """Text, also an enum's; none of the client's marks for what is not given."""
    return str.__str__(value) if isinstance(value, str) else None


def _asking_for_usage(resource: Any, kwargs: dict[str, Any]) -> Prepared:
    """A chat stream of some hosts tells its usage only if asked. Who has said yes or no, in whatever way, or may read
    the bytes, is left alone."""
    options: Any = kwargs.get("stream_options") or {}
    said: Any = kwargs.get("extra_body") or {}
    if (
        kwargs.get("stream") is not True
        or not isinstance(options, Mapping)
        or "include_usage" in options
        or not isinstance(said, Mapping)
        or not _BODY_SAYS.isdisjoint(cast("Mapping[str, Any]", said))
        or openai_internals.is_read_raw(kwargs.get("extra_headers"))
        or not _is_asked(resource, kwargs)
    ):
        return Prepared(kwargs)
    asked: dict[str, Any] = {**cast("Mapping[str, Any]", options), "include_usage": True}
    return Prepared({**kwargs, "stream_options": asked}, hides_usage=True)


def _is_asked(resource: Any, kwargs: Mapping[str, Any]) -> bool:
    client = openai_internals.client_of(resource)
    host, _ = _server(resource)
    query: dict[str, Any] = {**client.default_query, **(kwargs.get("extra_query") or {})}
    return may_ask_for_usage(host) or asks_for_usage(
        host, client.base_url.path, _word(query.get("api-version"))
    )


_PARSE: Final = Method(
    "chat",
    _request,
    read_chat,
    part_of_chat,
    _server,
    answer=openai_internals.answer_of,
    restore=without_usage,
    shows_attempts=openai_internals.shows_attempts,
    client=openai_internals.client_of,
)
_CHAT: Final = _PARSE._replace(prepare=_asking_for_usage)
_TEXT: Final = _CHAT._replace(operation="text_completion")
_EMBEDDINGS: Final = _PARSE._replace(operation="embeddings")
_RESPONSES: Final = _PARSE._replace(response=read_response, part=part_of_response)


class OpenAIInstrumentor(ClientInstrumentor):
    """Traces the `openai` client."""

    library = "openai"
    requirements = ("openai >= 1.40",)

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        for kind in ("", "Async"):
            yield "openai.resources.chat.completions", f"{kind}Completions.create", _CHAT
            yield "openai.resources.chat.completions", f"{kind}Completions.parse", _PARSE
            yield "openai.resources.beta.chat.completions", f"{kind}Completions.parse", _PARSE
            yield "openai.resources.completions", f"{kind}Completions.create", _TEXT
            yield "openai.resources.responses", f"{kind}Responses.create", _RESPONSES
            yield "openai.resources.responses", f"{kind}Responses.parse", _RESPONSES
            yield "openai.resources.embeddings", f"{kind}Embeddings.create", _EMBEDDINGS

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        yield from openai_internals.patches()
