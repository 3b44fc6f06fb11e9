"""A loop over messages: each is current from when it was read until the next is asked for.

No library calls back here, so there is no block to leave. What stood before is kept in the context itself, and is
restored only if that context is still current: no token is kept, so a loop may go on in another task or thread, where
nothing of it is found.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final, Generic, TypeVar

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.received import Received, received

__all__ = ["Each", "Reader", "enter", "enter_received", "is_current", "leave", "steps"]

_T = TypeVar("_T")
_ROLLED: Final = context.create_key("genai-cost-rolled")


class _Rolled:
    """What a reader made current: the message's own context, and what stood there before. The reader is not kept."""

    __slots__ = ("base", "is_current", "owner", "received")

    def __init__(self, owner: object, base: Context, message: Received) -> None:
        self.owner, self.base, self.received = _weak(owner), base, message
        self.is_current: Callable[[], object] = _nothing


def _weak(owner: object) -> Callable[[], object]:
    try:
        return weakref.ref(owner)
    except TypeError:  # some types of extensions
        return lambda: owner


def _nothing() -> None:
    return None


@guarded("tenancy.rolling", default=None)
def enter(owner: object, carrier: object) -> None:
    """A message was read: its context is current until the same reader's next `enter` or `leave`.

    Args:
        owner: Who reads; its identity alone matters.
        carrier: What the message carries its envelope in.
    """
    enter_received(owner, received(carrier))


def enter_received(owner: object, message: Received) -> None:
    """As `enter`, with a context that is built already. May raise.

    Args:
        owner: Who reads.
        message: The context.
    """
    base = leave(owner)
    if base is None:  # an empty one is falsy
        base = context.get_current()
    rolled = _Rolled(owner, base, message)
    mine = context.set_value(_ROLLED, rolled, rolled.received.context)
    rolled.is_current = weakref.ref(mine)
    context.attach(mine)


@guarded("tenancy.rolling", default=None)
def leave(owner: object) -> Context | None:
    """The message that was read last has been worked on. What somebody has made current since stays current.

    Args:
        owner: Who reads.

    Returns:
        What stood there before the message; None if this reader made nothing current here.
    """
    current = context.get_current()
    rolled = current.get(_ROLLED)
    if not isinstance(rolled, _Rolled) or rolled.owner() is not owner:
        return None
    rolled.received.close()
    if rolled.is_current() is current:
        context.attach(rolled.base)
    return rolled.base


def is_current(one: Context) -> bool:
    """Whether a context is what a reader made current for a message, and the message is still worked on.

    Args:
        one: the context.
    """
    rolled = one.get(_ROLLED)
    return (
        isinstance(rolled, _Rolled)
        and rolled.is_current() is one
        and rolled.received.scope.closed_s is None
    )


class Each(Generic[_T]):
    """Messages for a `for` or `async for`, each in its own tenant's name.

    Args:
        messages: What is read: a list, a generator, a consumer.
        carrier: Gives what a message carries its envelope in.
    """

    def __init__(
        self, messages: Iterable[_T] | AsyncIterable[_T], carrier: Callable[[_T], object]
    ) -> None:
        self._messages: Any = messages
        self._carrier = guarded("tenancy.carrier", default=None)(carrier)

    def __iter__(self) -> Iterator[_T]:
        return _Steps(iter(self._messages), self._carrier, Reader())

    def __aiter__(self) -> AsyncIterator[_T]:
        return _Steps(aiter(self._messages), self._carrier, Reader())


class _Steps(Iterator[_T], AsyncIterator[_T]):
    """One run through messages. Left early, it is over when nothing refers to it: for a `for` at once."""

    def __init__(self, source: Any, carrier: Callable[[_T], object], reader: object) -> None:
        self._source, self._carrier, self._reader = source, carrier, reader

    def __iter__(self) -> _Steps[_T]:
        return self

    def __aiter__(self) -> _Steps[_T]:
        return self

    def __next__(self) -> _T:
        leave(self._reader)
        return self._read(next(self._source))

    async def __anext__(self) -> _T:
        leave(self._reader)
        return self._read(await anext(self._source))

    def _read(self, message: _T) -> _T:
        enter(self._reader, self._carrier(message))
        return message

    def __del__(self) -> None:
        leave(self._reader)


def steps(messages: Iterator[_T], carrier: Callable[[_T], object], reader: object) -> Iterator[_T]:
    """Messages, each current until the next is asked for, in the name of a reader that may go on with others.

    Args:
        messages: What is read.
        carrier: Gives what a message carries its envelope in; must not raise.
        reader: Who reads.
    """
    return _Steps(messages, carrier, reader)


class Reader:
    """Who reads, where the library has no object for it."""
