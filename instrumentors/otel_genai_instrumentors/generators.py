"""Answers that a client gives as a generator: the caller gets a generator, too, which shows the call each part.

Many send their request when they are first asked for a part, so each step runs inside the call, and the caller's own
code between two steps does not. What is sent or thrown into ours goes to the client's.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final, Protocol, cast
from weakref import ref

__all__ = ["GENERATORS", "Begun", "PartedCall", "first_step", "generated"]

GENERATORS: Final = frozenset({GeneratorType, AsyncGeneratorType})
"""The types of what `generated` is for."""


class PartedCall(Protocol):
    """A call that answers in parts. Inside a `with` block it is current, and an error ends it."""

    def __enter__(self) -> None: ...
    def __exit__(self, _: object, error: BaseException | None, __: object) -> None: ...
    def begin_parts(self) -> None:
        """What the caller got is a generator of parts."""
        ...

    def learn(self, part: Any) -> bool:
        """Take in a part; whether it is to be kept from the caller."""
        ...

    def settle(self, result: Any) -> Any:
        """Watch a stream."""
        ...

    def complete(self) -> None:
        """The last part has come."""
        ...

    def leave(self, end_ns: int | None = None) -> None:
        """The caller has closed it."""
        ...

    def abandon(self) -> None:
        """Nobody holds it any more; for finalizers."""
        ...


class Begun:
    """A call that was sent before its generator is asked for a part. If it never is, the call was left with it."""

    __slots__ = ("_call",)

    def __init__(self, call: PartedCall) -> None:
        call.begin_parts()
        self._call = call

    def __call__(self) -> PartedCall:
        return self._call

    def __del__(self) -> None:
        self._call.abandon()


def generated(begin: Callable[[], PartedCall], inner: Any) -> Any:
    """A generator like `inner`, whose parts are seen.

    Args:
        begin: gives the call, which begins when the first part is asked for; may raise.
        inner: the client's generator, or the manager of a context that gives a stream; anything else is returned as it
            is.
    """
    if isinstance(inner, AbstractContextManager):
        return _opened(begin, cast("AbstractContextManager[Any]", inner))
    if isinstance(inner, AbstractAsyncContextManager):
        return _opened_async(begin, cast("AbstractAsyncContextManager[Any]", inner))
    if inspect.isasyncgen(inner):
        seen: Any = _asynchronous(begin, inner)
    elif inspect.isgenerator(inner):
        seen = _synchronous(begin, inner, holder := _Holder())
        holder.holds = ref(seen, _gone)
    else:
        return inner
    seen.__name__, seen.__qualname__ = inner.__name__, inner.__qualname__
    return seen


class _Holder:
    """Tells a generator that is closed from one that is collected as garbage: of that one, no reference is left."""

    __slots__ = ("holds",)

    holds: Callable[[], object]


def _gone(_: object) -> None:
    """Makes Python clear the reference before it runs finalizers, in every version."""


def _synchronous(
    begin: Callable[[], PartedCall], inner: Generator[Any, Any, Any], holder: _Holder
) -> Generator[Any, Any, Any]:
    call = begin()
    call.begin_parts()
    step: Callable[[], Any] = inner.__next__
    try:
        while True:
            with call:
                try:
                    part = step()
                except StopIteration as end:
                    returned = end.value
                    break
            step = inner.__next__
            if not call.learn(part):
                try:
                    sent = yield part
                except GeneratorExit:
                    (call.abandon if holder.holds() is None else call.leave)()
                    raise
                except BaseException as error:  # noqa: BLE001 -- it goes to the client's generator
                    step = partial(inner.throw, error)
                else:
                    step = step if sent is None else partial(inner.send, sent)
    finally:
        del step  # which may hold an error, whose traceback holds this
        inner.close()
    call.complete()
    return returned


async def _asynchronous(
    begin: Callable[[], PartedCall], inner: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, Any]:
    call = begin()
    call.begin_parts()
    # Who finalizes by a hook closes later, in its event loop, where a call may end at once.
    is_closed_later = sys.get_asyncgen_hooks().finalizer is not None
    step: Callable[[], Awaitable[Any]] = partial(first_step, inner)
    try:
        while True:
            with call:
                try:
                    part = await step()
                except StopAsyncIteration:
                    break
            step = inner.__anext__
            if not call.learn(part):
                try:
                    sent = yield part
                except GeneratorExit:
                    (call.leave if is_closed_later else call.abandon)()
                    raise
                except BaseException as error:  # noqa: BLE001
                    step = partial(inner.athrow, error)
                else:
                    step = step if sent is None else partial(inner.asend, sent)
    finally:
        del step
        await inner.aclose()
    call.complete()


def first_step(inner: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """The first step of a generator inside ours. An event loop that closes what is open at its end is told of ours
    alone, since that closes the inner one: both at once would be an error.

    Args:
        inner: that generator.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=None, finalizer=None)
    try:
        return inner.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


@contextmanager
def _opened(
    begin: Callable[[], PartedCall], manager: AbstractContextManager[Any]
) -> Generator[Any, None, None]:
    """A stream that is read inside a `with` block, which sends the request as it begins."""
    call = begin()
    with ExitStack() as stack:
        with call:
            stream = stack.enter_context(manager)
        call.settle(stream)
        stack.callback(call.leave)
        yield stream


@asynccontextmanager
async def _opened_async(
    begin: Callable[[], PartedCall], manager: AbstractAsyncContextManager[Any]
) -> AsyncGenerator[Any, None]:
    call = begin()
    async with AsyncExitStack() as stack:
        with call:
            stream = await stack.enter_async_context(manager)
        call.settle(stream)
        stack.callback(call.leave)
        yield stream
