"""Around what freezes once it has answered: functions, and services whose processor is taken away between requests.

The answer is held until the calls that it took are durable at the declared level, or the time that is left has passed.
Nothing is held where nothing is pending.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any, Final, TypeVar, cast

from otel_genai_cost.errors import fence, guarded
from otel_genai_cost.metering.current_settings import CurrentSettings
from otel_genai_cost.metering.delivery import force_flush

__all__ = ["FlushASGI", "FlushWSGI", "flushed"]

_F = TypeVar("_F", bound=Callable[..., Any])
_MARGIN_S: Final = 0.1
"""Left to the platform of what its context says is left."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_ASGI = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]


def flushed(handler: _F) -> _F:
    """A function's handler that ends once its calls are durable: `@flushed` on `handler(event, context)`.

    Waits at most `OTEL_GENAI_COST_FLUSH_TIMEOUT_MS`, and less if the context says that less is left
    (`get_remaining_time_in_millis`, as AWS Lambda's does). What the handler returns or raises is as without it.

    Args:
        handler: any function, of `async def` too.
    """
    held = CurrentSettings()
    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def wait_for(*args: Any, **kwargs: Any) -> Any:
            try:
                return await handler(*args, **kwargs)
            finally:
                await _flush_aside(_left_s(_limit_s(held), args, kwargs))

        return cast("_F", wait_for)

    @functools.wraps(handler)
    def wait(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        finally:
            _flush(_left_s(_limit_s(held), args, kwargs))

    return cast("_F", wait)


class FlushASGI:
    """An ASGI application whose responses end once their calls are durable, where `OTEL_GENAI_COST_FLUSH=response`.

    The message that ends a response is held for at most `OTEL_GENAI_COST_FLUSH_TIMEOUT_MS`; what the application does
    behind it, such as background tasks, is waited for likewise. Whoever reads the parts of a stream gets each at once.

    Args:
        application: the one around which it stands.
    """

    def __init__(self, application: _ASGI) -> None:
        self._application = application
        self._held = CurrentSettings()

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send
    ) -> None:
        if scope["type"] != "http" or not _is_on(self._held):
            await self._application(scope, receive, send)
            return
        held = _Held()

        async def hold(message: _Message) -> None:
            if held.ends(message):
                await _flush_aside(_limit_s(self._held))
            await send(message)

        try:
            await self._application(scope, receive, hold)
        finally:
            await _flush_aside(_limit_s(self._held))


class _Held:
    """Finds the message with which a response ends, for whoever counts its bytes as well."""

    def __init__(self) -> None:
        self._left: int | None = None

    def ends(self, message: _Message) -> bool:
        """Whether a client has all of the response once it has this message."""
        if message["type"] == "http.response.start":
            self._left = _length(message.get("headers") or ())
        if message["type"] != "http.response.body":
            return False
        if self._left is not None:
            self._left -= len(message.get("body") or b"")
        return not message.get("more_body", False) or self._left == 0


class FlushWSGI:
    """A WSGI application whose responses end once their calls are durable, where `OTEL_GENAI_COST_FLUSH=response`; as
    `FlushASGI` otherwise.

    Args:
        application: the one around which it stands.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._held = CurrentSettings()

    def __call__(
        self, environ: MutableMapping[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if not _is_on(self._held):
            return self._application(environ, start_response)
        lengths: list[int | None] = [None]

        def start(status: str, headers: Any, *more: Any) -> Any:
            pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            lengths[0] = _length(pairs)
            return start_response(status, headers, *more)

        body = self._application(environ, start)
        if isinstance(body, (list, tuple)):  # all of it is there
            _flush(_limit_s(self._held))
            return body
        return _Parts(body, lengths, _limit_s(self._held))


class _Parts:
    """The parts of a body, each at once; the last one once the calls are durable."""

    def __init__(self, body: Iterable[bytes], lengths: list[int | None], limit_s: float) -> None:
        self._body, self._lengths, self._limit_s = body, lengths, limit_s

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        for part in self._body:
            sent += len(part)
            if sent == self._lengths[0]:
                _flush(self._limit_s)
            yield part
        _flush(self._limit_s)

    def close(self) -> None:
        """As the body's, if it has one."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
        _flush(self._limit_s)


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """What a response says of its length; None if nothing that is one."""
    for name, value in headers:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value[:18])
    return None


@guarded("functions.flush", default=None)
def _flush(timeout_s: float) -> None:
    force_flush(timeout_s)


async def _flush_aside(timeout_s: float) -> None:
    """Without holding the loop up, and no longer where its threads are all taken; a task that is cancelled meanwhile
    is."""
    with fence("functions.flush_aside"):
        flushing = asyncio.get_running_loop().run_in_executor(None, _flush, timeout_s)
        try:
            await asyncio.wait({flushing}, timeout=timeout_s)
        finally:
            flushing.cancel()


def _is_on(held: CurrentSettings) -> bool:
    return held.settings.flush == "response"


def _limit_s(held: CurrentSettings) -> float:
    return held.settings.flush_timeout_ms / 1000


def _left_s(limit_s: float, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """How long may be waited, as the setting says and the context, if one of the arguments is one."""
    for each in (*args, *kwargs.values()):
        ask = getattr(each, "get_remaining_time_in_millis", None)
        if callable(ask):
            left_s = _asked(ask)
            return limit_s if left_s is None else max(0.0, min(limit_s, left_s - _MARGIN_S))
    return limit_s


@guarded("functions.context", default=None)
def _asked(ask: Callable[[], Any]) -> float:
    return float(ask()) / 1000
