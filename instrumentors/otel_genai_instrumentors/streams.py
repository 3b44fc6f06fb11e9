"""A client's own stream, seen part by part, without being replaced: what the caller holds stays the client's object.

Only the iterator inside it is ours, and the bytes below its HTTP response, which tell when it is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol
from weakref import ref

import wrapt

from otel_genai_instrumentors.bodies import Kept

__all__ = ["Parts", "Unheeded", "inner_parts", "put_inner_parts", "watch_body", "watch_parts"]


class Parts(Protocol):
    """A call that answers in parts. None of these raises."""

    def learn(self, part: Any) -> bool:
        """Take in a part; whether it is to be kept from the caller."""
        ...

    def keep(self, kept: Kept) -> None:
        """What is read past the parser is kept there, to be taken in at the end."""
        ...

    def complete(self) -> None:
        """The last part has come."""
        ...

    def fail(self, error: BaseException) -> None: ...
    def leave(self, end_ns: int | None = None) -> None:
        """The caller has closed it."""
        ...

    def abandon(self) -> None:
        """Nobody holds it any more; for finalizers."""
        ...


class Passing(Protocol):
    """Is shown the bytes of a body. It does not raise."""

    def add(self, part: bytes) -> None:
        """The next ones."""
        ...


class Unheeded:
    """Parts of no call: however they end, nothing is open. Subclasses do something with some of them."""

    def learn(self, part: Any) -> bool:
        """Nothing is learned, and nothing hidden."""
        return False

    def keep(self, kept: Kept) -> None:
        """Nothing is taken in."""

    def complete(self) -> None:
        """Nothing is open."""

    def fail(self, error: BaseException) -> None:
        """Nothing is open."""

    def leave(self, end_ns: int | None = None) -> None:
        """Nothing is open."""

    def abandon(self) -> None:
        """Nothing is open."""


class _Iterator:
    """What is common to both kinds. `is_reading`: the client's own iterator is at work, and will say how it ends."""

    def __init__(self, inner: Any, call: Parts) -> None:
        self._inner, self._call = inner, call
        self.is_reading = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def replace_inner(self, inner: Any) -> None:
        """Take the parts from another iterator."""
        self._inner = inner

    def __del__(self) -> None:
        call = self.__dict__.get("_call")
        if call is not None:
            call.abandon()


class _SyncIterator(_Iterator):
    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        call = self._call
        while True:
            self.is_reading = True
            try:
                part = next(self._inner)
            except StopIteration:
                call.complete()
                raise
            except BaseException as error:
                call.fail(error)
                raise
            finally:
                self.is_reading = False
            if not call.learn(part):
                return part


class _AsyncIterator(_Iterator):
    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        call = self._call
        while True:
            self.is_reading = True
            try:
                part = await self._inner.__anext__()
            except StopAsyncIteration:
                call.complete()
                raise
            except BaseException as error:
                call.fail(error)
                raise
            finally:
                self.is_reading = False
            if not call.learn(part):
                return part


class _Body(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """The bytes below an HTTP response; `isinstance` takes it for what it wraps. Without an `iterator` that sees the
    parts, the bytes are `shown` to somebody as they pass."""

    __wrapped__: Any

    def __init__(
        self, inner: Any, call: Parts, iterator: _Iterator | None, shown: Passing | None = None
    ) -> None:
        super().__init__(inner)  # pyright: ignore[reportUnknownMemberType]
        self._self_call, self._self_kept = call, shown
        self._self_iterator = None if iterator is None else ref(iterator)

    def __iter__(self) -> Iterator[bytes]:
        if self._self_kept is None:
            yield from self.__wrapped__
            return
        try:
            for part in self.__wrapped__:
                self._self_kept.add(part)
                yield part
        except BaseException as error:
            self._self_call.fail(error)
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        kept = self._self_kept
        try:
            async for part in self.__wrapped__:
                if kept is not None:
                    kept.add(part)
                yield part
        except BaseException as error:
            if kept is not None:
                self._self_call.fail(error)
            raise

    def close(self) -> None:
        try:
            self.__wrapped__.close()
        finally:
            self._self_closed()

    async def aclose(self) -> None:
        try:
            await self.__wrapped__.aclose()
        finally:
            self._self_closed()

    def _self_closed(self) -> None:
        call = self._self_call
        if self._self_kept is not None:
            call.complete()
        elif self._self_iterator is not None:
            _close(call, self._self_iterator())

    def __del__(self) -> None:
        if hasattr(self, "_self_call"):
            self._self_call.abandon()


def _close(call: Parts, iterator: _Iterator | None) -> None:
    """By the caller, unless the iterator is at work or is being thrown away, as only the collector of garbage does."""
    if iterator is None:
        call.abandon()
    elif not (iterator.is_reading or _is_running(iterator)):
        call.leave()


def _is_running(iterator: _Iterator) -> bool:
    inner: Any = iterator.__dict__["_inner"]
    return bool(getattr(inner, "gi_running", False) or getattr(inner, "ag_running", False))


def watch_parts(
    stream: Any, attribute: str, response: Any, call: Parts, below: str | None = None
) -> None:
    """Watch a stream that the client parses.

    Args:
        stream: the client's stream object.
        attribute: the name of the attribute that holds its iterator, which is replaced.
        response: the HTTP response below it, whose closing is watched too; None if unknown.
        call: is shown each part, and how the stream ended.
        below: the name of the stream's attribute with what its parts are made of, where that is no HTTP response; its
            closing is watched in place of one.
    """
    inner = getattr(stream, attribute)
    kind = _AsyncIterator if hasattr(inner, "__anext__") else _SyncIterator
    iterator = kind(inner, call)
    setattr(stream, attribute, iterator)
    if below is not None:
        setattr(stream, below, _Body(getattr(stream, below), call, iterator))
    elif response is not None and response.is_closed is False:
        response.stream = _Body(response.stream, call, iterator)


def inner_parts(stream: Any, attribute: str) -> Any:
    """The client's own iterator of a stream, watched or not.

    Args:
        stream: the client's stream object.
        attribute: the name of the attribute that holds it.
    """
    found = getattr(stream, attribute)
    return found.__dict__["_inner"] if isinstance(found, _Iterator) else found


def put_inner_parts(stream: Any, attribute: str, inner: Any) -> None:
    """Put another iterator in the place of the client's own.

    Args:
        stream: the client's stream object.
        attribute: the name of the attribute that holds it.
        inner: takes its place.
    """
    found = getattr(stream, attribute)
    if isinstance(found, _Iterator):
        found.replace_inner(inner)
    else:
        setattr(stream, attribute, inner)


def watch_body(response: Any, call: Parts, shown: Passing | None = None) -> None:
    """Watch an HTTP response that is read by whoever asked for it.

    Args:
        response: of HTTP, whose body is still to be read.
        call: is shown how it ended.
        shown: is shown the bytes as they pass; None to keep them for the call, as far as there is room.
    """
    if shown is None:
        shown = kept = Kept(response)
        call.keep(kept)
    response.stream = _Body(response.stream, call, None, shown)
