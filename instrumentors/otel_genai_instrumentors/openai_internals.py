"""The names of the `openai` client that it does not promise, 1.40 to 3.x: where a resource keeps its client, and a
stream its iterator, and where requests are built, made anew and answered. Without one of them, less is known and
nothing breaks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.method import Answer
from otel_genai_instrumentors.patching import Patch

__all__ = [
    "answer_of",
    "answer_of_post",
    "client_of",
    "is_read_raw",
    "patches",
    "shows_attempts",
]

_BASE: Final = "openai._base_client"
_BUILD: Final = "_build_request"
_ITERATOR: Final = "_iterator"
_MODEL: Final = Answer()
_RAW_HEADER: Final = "x-stainless-raw-response"


def client_of(resource: Any) -> Any:
    """The client that a resource of its API belongs to."""
    return resource._client


def answer_of(result: Any) -> Answer:
    """How the client answered: with a stream of its own, a raw response, or a model."""
    library: Any = sys.modules.get("openai")
    if isinstance(result, library.BaseModel):
        return _MODEL  # which is slow to say that it has no `http_response`
    if isinstance(result, (library.Stream, library.AsyncStream)) and hasattr(result, _ITERATOR):
        return Answer(result.response, _ITERATOR)
    raw = getattr(result, "http_response", None)
    return Answer(raw, is_raw=raw is not None)


def answer_of_post(result: Any) -> Answer:
    """How `client.post` answered. Unless it is a stream, the bytes are read: it gives whatever the caller named."""
    answer = answer_of(result)
    return answer if answer.attribute is not None else answer._replace(is_raw=True)


def is_read_raw(headers: Any) -> bool:
    """Whether the caller gets the HTTP response itself, and may read the very bytes."""
    return any(str(name).lower() == _RAW_HEADER for name in headers or ())


def shows_attempts() -> bool:
    """Whether it is seen how often a call builds a request."""
    return hasattr(getattr(sys.modules.get(_BASE), "BaseClient", None), _BUILD)


def patches() -> Iterable[Patch]:
    """Where a call's requests are seen."""
    yield Patch(_BASE, f"BaseClient.{_BUILD}", _built, optional=True)
    yield Patch(_BASE, "BaseClient._calculate_retry_timeout", _made_anew, optional=True)
    yield Patch(_BASE, "SyncAPIClient._process_response", _answered, optional=True)
    yield Patch(_BASE, "AsyncAPIClient._process_response", _answered_async, optional=True)


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
