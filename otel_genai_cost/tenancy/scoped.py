"""A context manager that is also a decorator, of whatever kind of function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar, cast

__all__ = ["Scoped"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Scoped:
    """`with scoped:` or `@scoped`. Every entry and every call is a scope of its own, so it may nest and repeat."""

    def __init__(self, enter: Callable[[], AbstractContextManager[None]]) -> None:
        self._enter = enter
        self._open: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        scope = self._enter()
        scope.__enter__()
        self._open.append(scope)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.pop().__exit__(kind, error, traceback)

    def __call__(self, function: _F) -> _F:
        return functools.wraps(function)(self._wrapper(function))  # type: ignore[return-value]

    def _wrapper(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isasyncgenfunction(function):
            return self._async_generator(function)
        if inspect.iscoroutinefunction(function):
            return self._coroutine(function)
        if inspect.isgeneratorfunction(function):
            return self._generator(function)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._enter():
                return function(*args, **kwargs)

        return call

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._enter():
                return await function(*args, **kwargs)

        return call

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Bound while the generator runs, not while its consumer does."""

        def call(*args: Any, **kwargs: Any) -> Any:
            steps = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, steps)
            while True:
                with self._enter():
                    try:
                        item = step()
                    except StopIteration as end:
                        return end.value
                try:
                    sent = cast("Any", (yield item))
                except GeneratorExit:
                    with self._enter():
                        steps.close()
                    raise
                except BaseException as error:  # noqa: BLE001 -- passed on to the generator that was wrapped
                    step = functools.partial(steps.throw, error)
                else:
                    step = functools.partial(steps.send, sent)

        return call

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            steps = function(*args, **kwargs)
            try:
                while True:
                    with self._enter():
                        try:
                            item = await steps.__anext__()
                        except StopAsyncIteration:
                            return
                    yield item
            finally:
                with self._enter():
                    await steps.aclose()

        return call
