"""What the clients that Fern generates (`cohere`) do not promise.

Where a resource keeps what it sends with, where a raw response keeps what was made of it, and where requests are sent
and sent anew: the names are the same in every version. Without one of them, less is known and nothing breaks.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.method import Answer
from otel_genai_instrumentors.patching import Patch

__all__ = ["Fern", "answer_of", "base_url_of", "in_caller_context", "wrapper_of"]

_DATA: Final = "_data"
_POOL: Final = "_executor"
_WRAPPER: Final = "_client_wrapper"
_AS_MADE: Final = Answer()


class Fern(NamedTuple):
    """One such library, by the name of its package."""

    package: str

    @property
    def home(self) -> str:
        """The module of its `HttpClient` and `AsyncHttpClient`, by which every request goes."""
        return f"{self.package}.core.http_client"

    def shows_attempts(self) -> bool:
        """Whether it is seen how often a call sends a request."""
        return hasattr(getattr(sys.modules.get(self.home), "HttpClient", None), "request")

    def patches(self) -> Iterable[Patch]:
        """Where a call's requests are seen."""
        for kind in ("", "Async"):
            for name in ("request", "stream"):
                yield Patch(self.home, f"{kind}HttpClient.{name}", _made, optional=True)
        yield Patch(self.home, "_should_retry", _replied, optional=True)


def wrapper_of(resource: Any) -> Any:
    """What a resource of the API, its raw twin and its client all send with."""
    own = getattr(resource, _WRAPPER, None)
    return own if own is not None else resource._raw_client._client_wrapper


def base_url_of(resource: Any) -> str:
    """Where it sends to."""
    return str(wrapper_of(resource).get_base_url())


def answer_of(result: Any) -> Answer:
    """How the client answered: with a model, a raw response around one, or one around a stream."""
    parts = getattr(result, _DATA, None)
    if hasattr(parts, "__next__") or hasattr(parts, "__anext__"):
        return Answer(result._response, _DATA)
    return _AS_MADE


def _made(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    """It calls itself to send a request anew, where it handles the error if there was one."""
    if (call := current_call()) is not None:
        error = sys.exc_info()[1]
        if kwargs.get("retries") and error is not None:
            call.attempts.ended(error)
        call.attempts.made()
        call.answered(None)
    return wrapped(*args, **kwargs)


def _replied(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
    is_retried = wrapped(*args, **kwargs)
    response = args[0] if args else kwargs.get("response")
    if (call := current_call()) is not None and response is not None:
        call.answered(response)
        if is_retried:
            call.attempts.ended(response.status_code)
    return is_retried


def in_caller_context(wrapped: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
    """Run a method that hands requests to a pool of threads, so that each of them is its caller's.

    Args:
        wrapped: the method.
        client: what it is called on.
        args: what it is called with.
        kwargs: likewise, by name.
    """
    twin = _twin(client)
    method: Any = wrapped
    return (method if twin is None else method.__func__.__get__(twin))(*args, **kwargs)


@guarded("instrumentor.pool", None)
def _twin(client: Any) -> Any:
    """The client with a pool that carries the context along; all else they have in common."""
    pool = getattr(client, _POOL, None)
    if pool is None:
        return None
    twin = copy.copy(client)
    setattr(twin, _POOL, _Carrying(pool))
    return twin


class _Carrying(NamedTuple):
    executor: Any

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Any:
        """Like the executor's own.

        Args:
            function: is called with each item.
            items: all of them.
        """
        jobs = [partial(copy_context().run, function, item) for item in items]
        return self.executor.map(_run, jobs)


def _run(job: Callable[[], Any]) -> Any:
    return job()
