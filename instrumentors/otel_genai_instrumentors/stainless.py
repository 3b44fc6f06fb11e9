"""What the clients that Stainless generates (`openai`, `anthropic`, `groq`, `together`) do not promise.

Where a resource keeps its client, and a stream its iterator, and where requests are built, made anew and answered: the
names are the same in all of them, in every version. Without one of them, less is known and nothing breaks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.client import path_of
from otel_genai_instrumentors.method import Answer
from otel_genai_instrumentors.patching import Patch

__all__ = ["Stainless", "body_of_post", "client_of", "is_read_raw", "server_of_post"]

_BUILD: Final = "_build_request"
_ITERATOR: Final = "_iterator"
_MODEL: Final = Answer()
_RAW_HEADER: Final = "x-stainless-raw-response"


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

    def shows_attempts(self) -> bool:
        """Whether it is seen how often a call builds a request."""
        return hasattr(getattr(sys.modules.get(self.base), "BaseClient", None), _BUILD)

    def patches(self) -> Iterable[Patch]:
        """Where a call's requests are seen."""
        places = (
            (f"BaseClient.{_BUILD}", _built),
            ("BaseClient._calculate_retry_timeout", _made_anew),
            ("SyncAPIClient._process_response", _answered),
            ("AsyncAPIClient._process_response", _answered_async),
        )
        yield from (Patch(self.base, path, wrapper, optional=True) for path, wrapper in places)


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
    path, url = path_of(args, kwargs), client.base_url
    if "://" in path:
        url = type(url)(path)
    return url.host, url.port


def body_of_post(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body that `post` is called with; empty if it is no mapping."""
    body: Any = kwargs.get("body")
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}


def _built(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    request = wrapped(*args, **kwargs)
    if (call := current_call()) is not None:
        call.attempts.made()
    return request


def _made_anew(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """It works out how long to wait where it handles the error of the last attempt."""
    _give_up()
    return wrapped(*args, **kwargs)


@guarded("instrumentor.retry", None)
def _give_up() -> None:
    if (call := current_call()) is not None:
        call.attempts.given_up(sys.exc_info()[1])


def _answered(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """What the client makes of a reply, before anybody else has wrapped it."""
    call = current_call()
    if call is not None:
        call.answered(kwargs.get("response"))
    result = wrapped(*args, **kwargs)
    if call is not None:
        call.read(result)
    return result


async def _answered_async(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    call = current_call()
    if call is not None:
        call.answered(kwargs.get("response"))
    result = await wrapped(*args, **kwargs)
    if call is not None:
        call.read(result)
    return result
