"""Answers that a client gives as a generator: the caller gets a generator, too, which shows the call each part.

Many send their request when they are first asked for a part, so each step runs inside the call.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final, Protocol

__all__ = ["GENERATORS", "PartedCall", "generated"]

GENERATORS: Final = frozenset({GeneratorType, AsyncGeneratorType})
"""The types of what `generated` is for."""

_END: Final = object()


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

    def complete(self) -> None:
        """The last part has come."""
        ...

    def fail(self, error: BaseException) -> None: ...


def generated(begin: Callable[[], PartedCall | None], inner: Any) -> Any:
    """A generator like `inner`, whose parts are seen.

    Args:
        begin: the call, which begins when the first part is asked for; None if it could not.
        inner: the client's generator; anything else is returned as it is.
    """
    if inspect.isasyncgen(inner):
        seen: Any = _asynchronous(begin, inner)
    elif inspect.isgenerator(inner):
        seen = _synchronous(begin, inner)
    else:
        return inner
    seen.__name__, seen.__qualname__ = inner.__name__, inner.__qualname__
    return seen


def _synchronous(
    begin: Callable[[], PartedCall | None], inner: Generator[Any, Any, Any]
) -> Generator[Any, None, None]:
    call = begin()
    if call is None:
        yield from inner
        return
    call.begin_parts()
    try:
        while True:
            with call:
                part = next(inner, _END)
            if part is _END:
                break
            if not call.learn(part):
                yield part
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        inner.close()
    call.complete()


async def _asynchronous(
    begin: Callable[[], PartedCall | None], inner: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, None]:
    call = begin()
    if call is None:
        async for part in inner:
            yield part
        return
    call.begin_parts()
    try:
        while True:
            with call:
                part = await anext(inner, _END)
            if part is _END:
                break
            if not call.learn(part):
                yield part
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        await inner.aclose()
    call.complete()
