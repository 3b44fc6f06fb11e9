"""What botocore and aiobotocore do not promise: the one method by which every call of a client goes, where its requests
are sent and made anew, and what is inside a streamed answer.

The method is the same for every service of AWS, so what is not wanted costs one look-up.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.method import Answer, Attributes
from otel_genai_instrumentors.patching import Patch, Wrapper

__all__ = [
    "CLIENTS",
    "Route",
    "answer_of_body",
    "answer_of_stream",
    "patches",
    "server",
    "shows_attempts",
]

CLIENTS: Final = (
    ("botocore.client", "BaseClient._make_api_call"),
    ("aiobotocore.client", "AioBaseClient._make_api_call"),
)
"""The one method of each."""

_ENDPOINTS: Final = (
    ("botocore.endpoint", "Endpoint"),
    ("aiobotocore.endpoint", "AioEndpoint"),
)
_ATTEMPT: Final = "_get_response"
_EVENTS: Final = "_event_generator"
_RAW: Final = "_raw_stream"


class Route(NamedTuple):
    """What wraps the calls of an operation: of which service, and by what each call's parameters are."""

    service: str
    wrapper_of: Callable[[Mapping[str, Any]], Wrapper]


def patches(routes: Callable[[], Mapping[str, Route]]) -> Iterable[Patch]:
    """Where calls and their requests are seen.

    Args:
        routes: makes those of one client library, by the name of the operation.
    """
    for module, path in CLIENTS:
        yield Patch(module, path, _routed(routes()), optional=True)
    operations = frozenset(routes())
    for module, endpoint in _ENDPOINTS:
        yield Patch(module, f"{endpoint}.{_ATTEMPT}", _sent(operations), optional=True)
        yield Patch(module, f"{endpoint}._needs_retry", _made_anew(operations), optional=True)


def _routed(routes: Mapping[str, Route]) -> Wrapper:
    def wrapper(
        wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        route = routes.get(args[0]) if len(args) == 2 else None  # of any other service: that is all
        way = None if route is None else _chosen(route, client, args[1])
        if way is None:
            return wrapped(*args, **kwargs)

        def send(**params: Any) -> Any:
            return wrapped(args[0], params)

        send.__dict__["__wrapped__"] = wrapped  # which says whether it is to be awaited
        return way(send, client, (), args[1])

    return wrapper


@guarded("instrumentor.route", None)
def _chosen(route: Route, client: Any, params: Any) -> Wrapper | None:
    if type(params) is not dict or client.meta.service_model.service_name != route.service:
        return None
    return route.wrapper_of(cast("dict[str, Any]", params))


def _sent(operations: frozenset[str]) -> Wrapper:
    """Around the sending of one request."""

    def wrapper(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = current_call() if args[1].name in operations else None
        if call is not None:
            call.attempts.made()
        return wrapped(*args, **kwargs)

    return wrapper


def _made_anew(operations: frozenset[str]) -> Wrapper:
    """Around the question whether a request is made anew, and the time waited before it is."""

    def wrapper(wrapped: Any, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        is_wanted = wrapped(*args, **kwargs)
        if args[1].name not in operations:
            return is_wanted
        if inspect.isawaitable(is_wanted):
            return _await_answer(is_wanted, args)
        _give_up(is_wanted, args)
        return is_wanted

    return wrapper


async def _await_answer(pending: Any, args: tuple[Any, ...]) -> Any:
    is_wanted = await pending
    _give_up(is_wanted, args)
    return is_wanted


@guarded("instrumentor.retry", None)
def _give_up(is_wanted: object, args: tuple[Any, ...]) -> None:
    call = current_call()
    if call is None:
        return
    reply, error = args[3], args[4]
    if reply is not None:
        call.replied(reply[0].status_code)
        call.attempts.refused(reply[0].status_code)
    if is_wanted:
        call.attempts.given_up(error if reply is None else None)


def shows_attempts() -> bool:
    """Whether it is seen how often a call sends a request."""
    return hasattr(getattr(sys.modules.get("botocore.endpoint"), "Endpoint", None), _ATTEMPT)


def server(client: Any, _: tuple[Any, ...], __: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Host and port that a client's calls go to."""
    return _server_of(client.meta.endpoint_url)


@lru_cache(maxsize=64)
def _server_of(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port


def answer_of_stream(stream: Any, head: Attributes) -> Answer:
    """How an answer comes that is a stream of events: what arrives of them is seen before it is parsed.

    Args:
        stream: botocore's own object; anything else stands for a test's.
        head: what is known before the first event.
    """
    if not hasattr(stream, _EVENTS):
        return Answer(head=head)
    return Answer(head=head, stream=stream, attribute=_EVENTS, below=_RAW)


def answer_of_body(body: Any, head: Attributes, *, is_counted: bool) -> Answer:
    """How an answer comes that is a body to be read, by whichever library.

    Args:
        body: botocore's object, aiobotocore's around aiohttp's or httpx's response, or a test's.
        head: what is known before it is read.
        is_counted: whether that is all that counts.
    """
    answer = Answer(head=head, is_counted=is_counted)
    if hasattr(body, _RAW):
        return answer._replace(stream=body, attribute=_RAW, is_read=True)
    response: Any = getattr(body, "__wrapped__", None)
    if hasattr(response, "is_closed"):
        return answer._replace(response=response, is_raw=True)
    if hasattr(getattr(response, "content", None), "read"):
        return answer._replace(stream=response, attribute="content", is_read=True)
    return answer
