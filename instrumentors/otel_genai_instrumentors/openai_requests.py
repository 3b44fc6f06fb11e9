"""What a call of the `openai` client asks for, and where; and the one thing that is asked for beside it: a stream's
usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_cost.tenancy.egress import may_ask_for_usage
from otel_genai_instrumentors.method import Attributes, Prepared
from otel_genai_instrumentors.stainless import body_of_post, client_of, is_read_raw, word_of
from otel_genai_instrumentors.stream_usage import asks_for_usage

__all__ = ["asking_for_usage", "decided", "fetched", "posted", "provider", "request", "server"]

_BODY_SAYS: Final = frozenset({"stream_options", "usage", "data_sources", "dataSources"})
"""Parts of a body given as a whole that ask for usage in the caller's own way, or that forbid to ask for it."""

_SEVERAL: Final = "models"
"""Where OpenRouter is given several models, the first of which is the one that is wanted."""


def server(
    resource: Any, _: tuple[Any, ...], __: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    """Host and port that a resource's calls go to."""
    url = client_of(resource).base_url
    return url.host, url.port


def request(resource: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request made through a method of a resource.

    Args:
        resource: such as `client.chat.completions`.
        kwargs: what the method is called with.
        host: where the client sends it; None if unknown.
    """
    return _asked(client_of(resource), kwargs, kwargs.get("stream"), host)


def posted(client: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request made through the client's own `post`.

    Args:
        client: the client.
        kwargs: what `post` is called with; of a body that is no mapping nothing is known.
        host: where the client sends it; None if unknown.
    """
    return _asked(client, body_of_post(kwargs), kwargs.get("stream"), host)


def decided(client: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    """The same of a request to OpenAI's decisions, whose models have prices of their own there.

    Args:
        client: the client.
        kwargs: what `post` is called with.
        host: where the client sends it; None if unknown.
    """
    found = posted(client, kwargs, host)
    if found[names.GEN_AI_PROVIDER_NAME] == "openai":
        found[names.GEN_AI_PROVIDER_NAME] = "openai-decisions"
    return found


def fetched(client: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    """The same of a request that reads a stored response again: it names no model.

    Args:
        client: the client.
        kwargs: what `get` or `post` is called with.
        host: where the client sends it; None if unknown.
    """
    return _asked(client, {}, kwargs.get("stream"), host)


def provider(client: Any, host: str | None) -> str:
    """Whose answers a client gets.

    Args:
        client: the client.
        host: where it sends its requests; None if unknown.
    """
    if "Azure" in type(client).__name__:
        return "azure.ai.openai"
    return place_of(host or "").provider or "openai"


def _asked(client: Any, body: Mapping[str, Any], stream: object, host: str | None) -> Attributes:
    found: Attributes = {names.GEN_AI_PROVIDER_NAME: provider(client, host)}
    model = body.get("model")
    if type(model) is str or (model := word_of(model)) is not None:
        found[names.GEN_AI_REQUEST_MODEL] = model
    elif isinstance(several := body.get(_SEVERAL), (list, tuple)):  # the first that can answers
        found[names.MODEL_ASKED] = next(map(word_of, cast("list[Any]", several)), None)
    if stream is True:
        found[names.GEN_AI_REQUEST_STREAM] = True
    tier = body.get("service_tier")
    if tier is not None and (word := word_of(tier)) is not None:
        found[names.OPENAI_REQUEST_SERVICE_TIER] = word
    return found


def asking_for_usage(resource: Any, kwargs: dict[str, Any]) -> Prepared:
    """Have a chat stream report its usage, for hosts that do so only if asked.

    Who has said yes or no, in whatever way, or may read the bytes, is left alone.
    """
    if kwargs.get("stream") is not True:
        return Prepared(kwargs)
    options: Any = kwargs.get("stream_options") or {}
    said: Any = kwargs.get("extra_body") or {}
    if (
        not isinstance(options, Mapping)
        or "include_usage" in options
        or not isinstance(said, Mapping)
        or not _BODY_SAYS.isdisjoint(cast("Mapping[str, Any]", said))
        or is_read_raw(kwargs.get("extra_headers"))
        or not _is_asked(resource, kwargs)
    ):
        return Prepared(kwargs)
    asked: dict[str, Any] = {**cast("Mapping[str, Any]", options), "include_usage": True}
    return Prepared({**kwargs, "stream_options": asked}, hides_usage=True)


def _is_asked(resource: Any, kwargs: Mapping[str, Any]) -> bool:
    client = client_of(resource)
    host = client.base_url.host
    query: dict[str, Any] = {**client.default_query, **(kwargs.get("extra_query") or {})}
    return may_ask_for_usage(host) or asks_for_usage(
        host, client.base_url.path, word_of(query.get("api-version"))
    )
