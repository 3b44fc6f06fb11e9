"""What `google-genai` does not promise: its one transport, which everything but Live and interactions is sent by.

`BaseApiClient.request` and its three siblings get a path and a body, and give the answer as JSON. Each request that the
library bills goes through them one by one, also those that automatic function calling makes, or a chat. The names are
the same in all versions; without one of them, less is known and nothing breaks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.call import Call, current_call
from otel_genai_instrumentors.client import Sent
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.unseen import Unseen

__all__ = [
    "INTERACTIONS",
    "TRANSPORTS",
    "body_of",
    "bound",
    "content_of",
    "downloads",
    "headers_of",
    "is_amid",
    "location_of",
    "patches",
    "reading",
    "server",
    "shows_attempts",
]

_Read = TypeVar("_Read")
_MODULE: Final = "google.genai._api_client"
_CLASSES: Final = ("BaseApiClient", "ApiClient")
"""Since 1.5, and before."""

_ONCE: Final = "_request_once"
TRANSPORTS: Final = tuple(
    (_MODULE, f"{kind}.{name}")
    for kind in _CLASSES
    for name in ("request", "async_request", "request_streamed", "async_request_streamed")
)
"""Where every request passes, plain and streamed."""

_GAOS: Final = "google.genai._gaos"
INTERACTIONS: Final = (
    (f"{_GAOS}.basesdk", "BaseSDK.do_request"),
    (f"{_GAOS}.basesdk", "AsyncBaseSDK.do_request_async"),
)
"""Where interactions pass since 2.x, whose client is another one, on the same HTTP library."""

_NAMES: Final = ("http_method", "path", "request_dict", "http_options")
_SPLIT_MAX: Final = 64
_PORTS: Final = {"http": 80, "https": 443}
_OK: Final = 200
"""The only status that is no error to the library."""


def bound(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
    """What one of the transports is called with, by name; that of interactions is by `request`, which has the path."""
    if "request" in kwargs:
        return Sent("", args, kwargs)
    named = {**dict(zip(_NAMES[: len(args)], args, strict=True)), **kwargs}
    return Sent(_text(named.get("path")), (), named)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def body_of(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body of a request."""
    body: Any = kwargs.get("request_dict")
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}


_SAID_SO_FAR: Final = '"candidatesTokenCount"'
_SAID_ONCE: Final = ('"finishReason"', '"groundingMetadata"', '"promptFeedback"')


def is_amid(part: Any) -> bool:
    """Whether a part of a stream, unread, says nothing but a text and the usage so far, which the next says again."""
    text: Any = getattr(part, "body", None)
    return (
        isinstance(text, str)
        and _SAID_SO_FAR in text
        and not any(word in text for word in _SAID_ONCE)
    )


def content_of(answer: Any) -> Mapping[str, Any]:
    """The JSON of an answer or of a part of a stream: what it is, or, in later versions, its text is."""
    found: Any = answer
    if not isinstance(found, Mapping):
        found = getattr(answer, "body", None)
    if isinstance(found, (str, bytes)):
        found = _parsed(found)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def reading(read: Callable[[Mapping[str, Any]], _Read]) -> Callable[[Any], _Read]:
    """A reader of JSON as one of answers."""

    def read_answer(answer: Any) -> _Read:
        return read(content_of(answer))

    return read_answer


def headers_of(answer: Any) -> Any:
    """The HTTP headers of an answer, which later versions keep with each of its parts."""
    return getattr(answer, "headers", None)


def location_of(client: Any) -> str | None:
    """Vertex's location that a client sends to, empty where it has none; None for Gemini's own API."""
    return _text(client.location) if client.vertexai else None


def server(
    client: Any, _: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    """Host and port that a request goes to."""
    return _server(_option(kwargs.get("http_options"), "base_url") or _base_url(client))


def _base_url(client: Any) -> str:
    return str(_option(client._http_options, "base_url") or "")


def _option(options: Any, key: str) -> Any:
    """The library's options are a model, or, in old versions and of a caller, a mapping."""
    if isinstance(options, Mapping):
        return cast("Mapping[str, Any]", options).get(key)
    return getattr(options, key, None)


@lru_cache(maxsize=_SPLIT_MAX)
def _server(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or _PORTS.get(parts.scheme)


def shows_attempts() -> bool:
    """Whether it is seen how often a call sends a request."""
    module = sys.modules.get(_MODULE)
    return any(hasattr(getattr(module, kind, None), "_build_request") for kind in _CLASSES)


def patches() -> Iterable[Patch]:
    """Where a call's requests are seen, and where baggage is kept back from what is no call."""
    places = (
        ("_build_request", _built),
        (_ONCE, _sent),
        ("_async_request_once", _sent_async),
        ("_ensure_aiohttp_ssl_ctx", _made_anew),
        ("_request", _apart),
        ("_async_request", _apart_async),
        ("upload_file", _apart),
        ("async_upload_file", _apart_async),
        ("download_file", _apart),
        ("async_download_file", _apart_async),
    )
    for kind in _CLASSES:
        yield from (Patch(_MODULE, f"{kind}.{name}", by, optional=True) for name, by in places)
    hooks = f"{_GAOS}._hooks.sdkhooks"
    yield Patch(hooks, "SDKHooks.before_request", _made, optional=True)
    yield Patch(hooks, "SDKHooks.after_error", _ended, optional=True)


def downloads(seen: Callable[[Any, str, Any], None]) -> Iterable[Patch]:
    """Where files are read.

    Args:
        seen: is shown the client, the path and the content of each file.
    """

    def read(wrapped: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
        content = wrapped(*args, **kwargs)
        seen(client, _text(args[0] if args else kwargs.get("path")), content)
        return content

    async def read_async(wrapped: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
        content = await wrapped(*args, **kwargs)
        seen(client, _text(args[0] if args else kwargs.get("path")), content)
        return content

    for kind in _CLASSES:
        yield Patch(_MODULE, f"{kind}.download_file", read, optional=True)
        yield Patch(_MODULE, f"{kind}.async_download_file", read_async, optional=True)


def _built(wrapped: Callable[..., Any], client: object, args: Any, kwargs: Any) -> Any:
    """Versions that never send a request twice have no function that sends it once."""
    request = wrapped(*args, **kwargs)
    if (call := current_call()) is not None and not hasattr(type(client), _ONCE):
        call.attempts.made()
    return request


def _sent(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    if (call := current_call()) is None:
        return wrapped(*args, **kwargs)
    with _Attempt(call):
        return wrapped(*args, **kwargs)


async def _sent_async(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    if (call := current_call()) is None:
        return await wrapped(*args, **kwargs)
    with _Attempt(call):
        return await wrapped(*args, **kwargs)


class _Attempt:
    """One request of a call, until its reply is there."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        self._call.attempts.made()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._call.replied(_OK)
        else:
            self._call.attempts.ended(error)


def _made_anew(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """Within a call, it makes the session anew where it handles an error of aiohttp, and sends the request again."""
    _give_up()
    return wrapped(*args, **kwargs)


@guarded("instrumentor.retry", None)
def _give_up() -> None:
    call, error = current_call(), sys.exc_info()[1]
    if call is not None and error is not None:
        call.attempts.ended(error)
        call.attempts.made()


def _made(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """An interaction's client has its hooks see each request before it is sent, and each error."""
    if (call := current_call()) is not None:
        call.attempts.made()
    return wrapped(*args, **kwargs)


def _ended(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    call, error = current_call(), args[2] if len(args) > 2 else kwargs.get("error")
    if call is not None and isinstance(error, Exception):
        call.attempts.ended(error)
    return wrapped(*args, **kwargs)


def _apart(wrapped: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
    """What is no call of a model goes to the same provider."""
    if current_call() is not None:
        return wrapped(*args, **kwargs)
    with Unseen(_host(client)):
        return wrapped(*args, **kwargs)


async def _apart_async(wrapped: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
    if current_call() is not None:
        return await wrapped(*args, **kwargs)
    with Unseen(_host(client)):
        return await wrapped(*args, **kwargs)


@guarded("instrumentor.server", None)
def _host(client: Any) -> str | None:
    return _server(_base_url(client))[0]
