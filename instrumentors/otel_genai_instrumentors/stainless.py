"""What the clients that Stainless generates (`openai`, `anthropic`, `groq`, `together`) do not promise.

Where a resource keeps its client, and a stream its iterator, and where requests are built, made anew and answered: the
names are the same in all of them, in every version. Without one of them, less is known and nothing breaks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.call import Call, current_call
from otel_genai_instrumentors.client import Sent, path_of
from otel_genai_instrumentors.method import Answer, Attributes, Method
from otel_genai_instrumentors.patching import Patch, Replacement
from otel_genai_instrumentors.traced import carrying
from otel_genai_instrumentors.unseen import Unseen

__all__ = [
    "Stainless",
    "body_of_post",
    "body_of_request",
    "client_of",
    "is_read_raw",
    "nothing_to_estimate",
    "request_to",
    "send_bare",
    "sending_at_once",
    "sent_by_request",
    "server_of_post",
    "server_of_request",
    "word_of",
]

_BUILD: Final = "_build_request"
_ITERATOR: Final = "_iterator"
_MODEL: Final = Answer()
_RAW_HEADER: Final = "x-stainless-raw-response"
_REQUEST: Final = "request"
_BELOW: Final = "_request"
_ARGUMENTS: Final = ("cast_to", "options", "remaining_retries")
"""Of these two functions, where they are given by place."""

Beside = Callable[[Any, str, Any, Any], object]
"""The client, the path, the HTTP response and what the client makes of it."""


def _unseen(client: Any, path: str, response: Any, result: Any) -> None:
    """Nobody wants to know."""


class Stainless(NamedTuple):
    """One such library, by the name of its package."""

    package: str

    @property
    def base(self) -> str:
        """The module of its `SyncAPIClient` and `AsyncAPIClient`, by whose `post` every request goes."""
        return f"{self.package}._base_client"

    def answer_of(self, result: Any) -> Answer:
        """How the client answered: with a stream of its own, a raw response, or a model."""
        library: Any = sys.modules.get(self.package)
        if isinstance(result, library.BaseModel):
            return _MODEL  # which is slow to say that it has no `http_response`
        if isinstance(result, (library.Stream, library.AsyncStream)) and hasattr(result, _ITERATOR):
            return Answer(result.response, _ITERATOR)
        raw = getattr(result, "http_response", None)
        return Answer(raw, is_raw=raw is not None)

    def answer_of_post(self, result: Any) -> Answer:
        """How `client.post` answered, whatever its caller wanted made of it. Unless it is a stream, the bytes are
        read."""
        answer = self.answer_of(result)
        return answer if answer.attribute is not None else answer._replace(is_raw=True)

    def requests(
        self, methods: Mapping[str, Method]
    ) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        """The routes of all that a client sends, of any method, for `sent_by_request` and `seen_once`.

        Args:
            methods: facts of those that are calls, by the end of their path.
        """
        for kind in ("Sync", "Async"):
            for function in (_REQUEST, _BELOW):
                yield self.base, f"{kind}APIClient.{function}", methods

    def seen_once(self, patches: Iterable[Patch]) -> Iterable[Patch]:
        """The same patches. A version that can trace itself starts its span between the two functions that `requests`
        names, so its requests are seen at the second, below that span; older ones call that anew for each attempt, so
        theirs are seen at the first.

        Args:
            patches: of such routes, and any others.
        """
        places = {_REQUEST: _never_traces, _BELOW: _may_trace}
        for patch in patches:
            function = patch.path.rpartition(".")[2]
            is_route = patch.module == self.base and function in places
            yield patch._replace(wanted=places[function]) if is_route else patch

    def answer_of_route(self, result: Any) -> Answer:
        """The same where the client's own resources send: what they make of it, and the bytes of anything else."""
        answer = self.answer_of(result)
        return answer if answer is _MODEL else self.answer_of_post(result)

    def by_path(
        self, method: Method, request: Callable[[Any, Mapping[str, Any], str | None], Attributes]
    ) -> Method:
        """The same call, sent by the client's own `post`: what is sent is as the caller wrote it.

        Args:
            method: the resource's method.
            request: gives the attributes of a request from what `post` is called with.
        """
        return Method(
            method.operation,
            request,
            method.response,
            method.part,
            server_of_post,
            answer=self.answer_of_post,
            shows_attempts=method.shows_attempts,
            body=body_of_post,
            text=method.text,
        )

    def shows_attempts(self) -> bool:
        """Whether it is seen how often a call builds a request."""
        return hasattr(getattr(sys.modules.get(self.base), "BaseClient", None), _BUILD)

    def patches(self, beside: Beside = _unseen) -> Iterable[Patch]:
        """Where a call's requests are seen.

        Args:
            beside: is shown what the client makes of the answers to requests that are no calls.
        """
        answered, answered_async = _answers(guarded("instrumentor.beside", None)(beside))
        rare = (
            ("BaseClient._should_retry", _refused),
            ("BaseClient._calculate_retry_timeout", _made_anew),
        )
        every = (
            (f"BaseClient.{_BUILD}", _built),
            ("SyncAPIClient._process_response", answered),
            ("AsyncAPIClient._process_response", answered_async),
        )
        yield from (Patch(self.base, path, wrapper, optional=True) for path, wrapper in rare)
        for path, replacement in every:
            yield Patch(self.base, path, cast("Any", replacement), optional=True, direct=True)


def client_of(resource: Any) -> Any:
    """The client that a resource of its API belongs to."""
    return resource._client


def is_read_raw(headers: Any) -> bool:
    """Whether the caller gets the HTTP response itself, and may read the very bytes."""
    return any(str(name).lower() == _RAW_HEADER for name in headers or ())


def server_of_post(
    client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    """Host and port that the client's own `post` sends to: those of an absolute URL, else the client's.

    Args:
        client: the client.
        args: what `post` is called with.
        kwargs: likewise, by name.
    """
    return _server(client, path_of(args, kwargs))


def _server(client: Any, path: str) -> tuple[str | None, int | None]:
    url = client.base_url
    if "://" in path:
        url = type(url)(path)
    return url.host, url.port


def request_to(
    provider: str,
) -> Callable[[Any, Mapping[str, Any], str | None], Attributes]:
    """What gives the attributes of a request that is made through the client's own `post`.

    Args:
        provider: whose client it is; a host that is known to be another's goes first.
    """

    def request(_: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
        body = body_of_post(kwargs)
        return {
            names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or provider,
            names.GEN_AI_REQUEST_MODEL: word_of(body.get("model")),
            names.GEN_AI_REQUEST_STREAM: kwargs.get("stream") is True or None,
            names.OPENAI_REQUEST_SERVICE_TIER: word_of(body.get("service_tier")),
        }

    return request


def word_of(value: object) -> str | None:
    """Text, also an enum's; none of the clients' marks for what is not given.

    Args:
        value: of a request's body.
    """
    return str.__str__(value) if isinstance(value, str) else None


def nothing_to_estimate(_: Any) -> None:
    """The body of a request whose use is not measured in tokens of its text.

    Args:
        _: what `post` is called with.
    """


def body_of_post(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body that `post` is called with; empty if it is no mapping."""
    return _mapping(kwargs.get("body"))


def _mapping(value: Any) -> Mapping[str, Any]:
    # To ask what any other is costs as much as all else that is read of a request.
    if type(value) is dict:
        return cast("dict[str, Any]", value)
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _may_trace(module: Any) -> bool:
    """Whether clients of this version may have spans of their own, as Anthropic's have."""
    return hasattr(getattr(module, "BaseClient", None), "_tracer")


def _never_traces(module: Any) -> bool:
    return not _may_trace(module)


def sent_by_request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
    """What the client's own `request` is called with, all of it by name.

    Args:
        args: by place.
        kwargs: by name.
    """
    named = dict(zip(_ARGUMENTS, args, strict=False), **kwargs) if args else kwargs
    return Sent(_url_of(named), args[len(_ARGUMENTS) :], named)


def _url_of(kwargs: Mapping[str, Any]) -> str:
    url: Any = getattr(kwargs.get("options"), "url", None)
    return url if isinstance(url, str) else ""


def send_bare(
    wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Send a request that is no call: a client that traces itself puts its context into every request.

    Args:
        wrapped: the client's own `request`.
        client: the client.
        args: what `request` is called with.
        kwargs: likewise, by name.
    """
    unseen = Unseen(_host_of(client, args, kwargs))
    with unseen:
        result = wrapped(*args, **kwargs)
    return unseen.settle(result)


def sending_at_once(
    wrapped: Callable[..., Any], resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of the `__init__` of a resource, which keeps its client's `post` and awaits what that gives where it
    calls it, or gives it to what `traced.carrying_sender` wraps: to carry it there too is 2 % of a call, for nothing.

    Args:
        wrapped: the resource's own `__init__`.
        resource: the resource.
        args: what it is called with.
        kwargs: likewise, by name.
    """
    result = wrapped(*args, **kwargs)
    post: Any = getattr(resource, "_post", None)
    is_ours = getattr(post, "_self_wrapper", None) is carrying  # and nobody else's stands around it
    if is_ours:
        resource._post = post.__wrapped__
    return result


def server_of_request(
    client: Any, _: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    """Host and port that the client's own `request` sends to.

    Args:
        client: the client.
        _: nothing.
        kwargs: what `request` is called with.
    """
    return _server(client, _url_of(kwargs))


@guarded("instrumentor.server", None)
def _host_of(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    return server_of_request(client, (), sent_by_request(args, kwargs).kwargs)[0]


def body_of_request(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body that `request` is called with; empty if it is no mapping."""
    return _mapping(getattr(kwargs.get("options"), "json_data", None))


def _built(build: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(build)
    def built(*args: Any, **kwargs: Any) -> Any:
        request = build(*args, **kwargs)
        if (call := current_call()) is not None:
            call.attempts.made()
        return request

    return built


def _refused(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """It decides whether a reply that is an error is to be tried again, which some do before they make an error of
    it."""
    _note_refusal(args[0] if args else kwargs.get("response"))
    return wrapped(*args, **kwargs)


@guarded("instrumentor.refused", None)
def _note_refusal(response: Any) -> None:
    if (call := current_call()) is not None:
        call.attempts.refused(response.status_code)


def _made_anew(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """It works out how long to wait where it handles the error of the last attempt."""
    _give_up()
    return wrapped(*args, **kwargs)


@guarded("instrumentor.retry", None)
def _give_up() -> None:
    if (call := current_call()) is not None:
        call.attempts.given_up(sys.exc_info()[1])


def _answers(beside: Beside) -> tuple[Replacement, Replacement]:
    """What the client makes of a reply, before anybody else has wrapped it."""

    def answered(process: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(process)
        def processed(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = _replied_to(kwargs)
            result = process(client, *args, **kwargs)
            if call is None:
                beside(client, _url_of(kwargs), kwargs.get("response"), result)
            else:
                call.made_of_reply(result)
            return result

        return processed

    def answered_async(process: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(process)
        async def processed(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = _replied_to(kwargs)
            result = await process(client, *args, **kwargs)
            if call is None:
                beside(client, _url_of(kwargs), kwargs.get("response"), result)
            else:
                call.made_of_reply(result)
            return result

        return processed

    return answered, answered_async


def _replied_to(kwargs: Mapping[str, Any]) -> Call | None:
    """The call that is answered by what the client makes something of."""
    call = current_call()
    if call is not None:
        call.answered(kwargs.get("response"))
    return call
