"""One life for every instrumented call: sync, async, stream, async stream.

A client's file supplies facts (`Method`); only this file starts and ends spans. The shape of a call is read from what
it returned, so no client needs an async twin. The caller's result, errors and stream stay what they were.
"""

from __future__ import annotations

import atexit
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import wrapt
from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.egress import leaving
from otel_genai_instrumentors.spans import CallTracer, shown

__all__ = ["Attributes", "Method", "Prepared", "drain", "dropped", "traced"]

Attributes = dict[str, Any]


class Prepared(NamedTuple):
    """A call about to be made: its keyword arguments, and whether a chunk that we asked for is to be hidden."""

    kwargs: dict[str, Any]
    hides_chunks: bool = False


def _as_it_is(kwargs: dict[str, Any]) -> Prepared:
    return Prepared(kwargs)


class Method(NamedTuple):
    """What there is to know of one method of a client.

    `request(instance, kwargs)` and `response(result)` give attributes; `chunk(attributes, chunk)` folds a stream's
    chunk into them and says whether it holds nothing but what we asked for. `server(instance)` is (host, port).
    """

    operation: str
    request: Callable[[Any, Mapping[str, Any]], Attributes]
    response: Callable[[Any], Attributes]
    chunk: Callable[[Attributes, Any], bool]
    server: Callable[[Any], tuple[str | None, int | None]]
    prepare: Callable[[dict[str, Any]], Prepared] = _as_it_is


_ABANDONED_MAX: Final = 1_000
_abandoned: deque[_Call] = deque()
dropped: dict[str, int] = {"abandoned_streams": 0}
"""Streams whose span could not be ended because too many were abandoned at once."""


def traced(
    method: Method, tracer: CallTracer
) -> Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]:
    """The wrapt wrapper of a method."""

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        drain()
        host, port = guarded("instrumentor.server", (None, None))(method.server)(instance)
        prepared = guarded("instrumentor.prepare", Prepared(kwargs))(method.prepare)(kwargs)
        call = _begin(method, tracer, instance, prepared, host, port)
        if call is None:
            return _guarded_call(wrapped, args, kwargs, host)
        with call.running():
            result = wrapped(*args, **prepared.kwargs)
        return call.settle_later(result) if inspect.isawaitable(result) else call.settle(result)

    return wrapper


def _guarded_call(
    wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], host: str | None
) -> Any:
    with leaving(host):
        result = wrapped(*args, **kwargs)
    return _await_leaving(result, host) if inspect.isawaitable(result) else result


async def _await_leaving(pending: Any, host: str | None) -> Any:
    with leaving(host):
        return await pending


def drain() -> None:
    """End the spans of abandoned streams. A finalizer must not: it may run anywhere, under any lock."""
    while _abandoned:
        try:
            call = _abandoned.popleft()
        except IndexError:
            return
        call.finish()


atexit.register(drain)


class _Call:
    """A span and what was learned about its call."""

    def __init__(
        self,
        method: Method,
        tracer: CallTracer,
        instance: Any,
        prepared: Prepared,
        host: str | None,
        port: int | None,
    ) -> None:
        self._method, self._host = method, host
        self.hides_chunks = prepared.hides_chunks
        self._learned: Attributes = {}
        start: Attributes = {names.GEN_AI_OPERATION_NAME: method.operation}
        start.update(_read("request", method.request, instance, prepared.kwargs))
        if host:
            start[names.SERVER_ADDRESS] = host
        if port:
            start[names.SERVER_PORT] = port
        model = start.get(names.GEN_AI_REQUEST_MODEL, "")
        self._span: Span = tracer.start_span(
            f"{method.operation} {model}".strip(), attributes=start
        )

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Be the current span, with nothing of the tenant's in what leaves; an error ends the span and goes on."""
        try:
            with (
                trace.use_span(
                    shown(self._span), record_exception=False, set_status_on_exception=False
                ),
                leaving(self._host),
            ):
                yield
        except BaseException as error:
            self.fail(error)
            raise

    async def settle_later(self, pending: Any) -> Any:
        with self.running():
            result = await pending
        return self.settle(result)

    def settle(self, result: Any) -> Any:
        """What the caller gets: the result as it is, or, if it is still to come, one that is watched."""
        if hasattr(result, "__next__") or hasattr(result, "__anext__"):
            return _Stream(result, self)
        if _is_unread(result):
            return _Unread(result, self)
        self._learned.update(_read("response", self._method.response, result))
        self.finish()
        return result

    def learn(self, chunk: Any) -> bool:
        """Fold a chunk; whether it holds only what the caller did not ask for."""
        only_ours = guarded("instrumentor.chunk", False)(self._method.chunk)(self._learned, chunk)
        return only_ours and self.hides_chunks

    @guarded("instrumentor.finish", None)
    def finish(self) -> None:
        """End the span with what was learned."""
        self._span.set_attributes(self._learned)
        self._span.end()

    @guarded("instrumentor.fail", None)
    def fail(self, error: BaseException) -> None:
        """End the span as failed; what was learned before is kept."""
        kind = type(error)
        self._learned[names.ERROR_TYPE] = f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
        self._span.set_status(StatusCode.ERROR, str(error)[:256])
        self.finish()


_begin = guarded("instrumentor.begin", None)(_Call)


def _read(kind: str, extract: Callable[..., Attributes], *subject: Any) -> Attributes:
    """The attributes a client's file finds; none if it cannot read what it got."""
    found = guarded(f"instrumentor.{kind}", None)(extract)(*subject)
    return {key: value for key, value in (found or {}).items() if value is not None}


@guarded("instrumentor.settle", False)
def _is_unread(result: Any) -> bool:
    """Whether it is a raw response whose body is still to come: only its caller may read that."""
    return getattr(getattr(result, "http_response", None), "is_closed", True) is False


class _Watched(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """Something of the client's own that answers later. Its span ends exactly once: at the end, on an error, when it is
    closed, or when it is abandoned."""

    __wrapped__: Any

    def __init__(self, wrapped: Any, call: _Call) -> None:
        super().__init__(wrapped)  # pyright: ignore[reportUnknownMemberType]
        self._self_call: _Call | None = call

    def _self_take(self) -> _Call | None:
        call, self._self_call = self._self_call, None
        return call

    def _self_finish(self) -> None:
        if (call := self._self_take()) is not None:
            call.finish()

    def _self_fail(self, error: BaseException) -> None:
        if (call := self._self_take()) is not None:
            call.fail(error)

    def close(self) -> Any:
        """Close the client's own; for an async client this is its coroutine."""
        self._self_finish()
        return self.__wrapped__.close()

    def __del__(self) -> None:
        call = self._self_take() if hasattr(self, "_self_call") else None
        if call is not None:
            if len(_abandoned) < _ABANDONED_MAX:
                _abandoned.append(call)
            else:
                dropped["abandoned_streams"] += 1


class _Unread(_Watched):
    """A raw response that is read by whoever asked for it; what it says is known once they parse it."""

    def __init__(self, response: Any, call: _Call) -> None:
        super().__init__(response, call)
        self._self_parsed: tuple[Any, Any] = (None, None)

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """What the client makes of the body; a stream is watched from here on."""
        parsed = self.__wrapped__.parse(*args, **kwargs)
        return (
            self._self_later(parsed) if inspect.isawaitable(parsed) else self._self_settle(parsed)
        )

    async def _self_later(self, pending: Any) -> Any:
        return self._self_settle(await pending)

    def _self_settle(self, parsed: Any) -> Any:
        if (call := self._self_take()) is not None:
            self._self_parsed = (parsed, call.settle(parsed))
        known, watched = self._self_parsed
        return watched if parsed is known else parsed


class _Stream(_Watched):
    """The client's own stream, seen chunk by chunk."""

    def _self_hides(self, chunk: Any) -> bool:
        return self._self_call is not None and self._self_call.learn(chunk)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while True:
            try:
                chunk = next(self.__wrapped__)
            except StopIteration:
                self._self_finish()
                raise
            except BaseException as error:
                self._self_fail(error)
                raise
            if not self._self_hides(chunk):
                return chunk

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                chunk = await self.__wrapped__.__anext__()
            except StopAsyncIteration:
                self._self_finish()
                raise
            except BaseException as error:
                self._self_fail(error)
                raise
            if not self._self_hides(chunk):
                return chunk

    def __enter__(self) -> Any:
        self.__wrapped__.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        self._self_finish()
        return self.__wrapped__.__exit__(*error)

    async def __aenter__(self) -> Any:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        self._self_finish()
        return await self.__wrapped__.__aexit__(*error)

    async def aclose(self) -> Any:
        self._self_finish()
        return await self.__wrapped__.aclose()
