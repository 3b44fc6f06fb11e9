"""A context manager that is also a decorator, of whatever kind of function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar, cast

__all__ = ["Scoped"]

_F = TypeVar("_F", bound=Callable[..., Any])
_Entered = AbstractContextManager[None]

_entered: ContextVar[tuple[_Entered, ...]] = ContextVar("genai-cost-scopes", default=())
"""The scopes entered in this thread or task, or inherited by it, innermost last."""


class Scoped:
    """`with scoped:` or `@scoped`. Every entry and every call is a scope of its own, so it may nest, repeat, and be
    shared by threads and tasks.

    Args:
        enter: Opens a scope; called with the arguments of a decorated function's call, with none for a block.
    """

    def __init__(self, enter: Callable[..., _Entered]) -> None:
        self._enter = enter
        self._open: list[_Entered] = []

    def __enter__(self) -> None:
        scope = self._enter()
        scope.__enter__()
        self._open.append(scope)
        _entered.set((*_entered.get(), scope))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        scope = self._innermost()
        self._open.remove(scope)
        _entered.set(tuple(one for one in _entered.get() if one is not scope))
        scope.__exit__(kind, error, traceback)

    def _innermost(self) -> _Entered:
        """The scope to leave: this task's own, since the one opened last may be another's. What was entered in another
        context, as a framework's generators are, is left in the order of the stack."""
        mine = (scope for scope in reversed(_entered.get()) if scope in self._open)
        return next(mine, None) or self._open[-1]

    def __call__(self, function: _F) -> _F:
        return functools.wraps(function)(self.around(function))  # type: ignore[return-value]

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same for one call, without the function's name and signature, which take longer to copy than the rest.

        Args:
            function: What is called.
        """
        if inspect.isasyncgenfunction(function):
            return self._async_generator(function)
        if _is_coroutine(function):
            return self._coroutine(function)
        if inspect.isgeneratorfunction(function):
            return self._generator(function)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._enter(*args, **kwargs):
                return function(*args, **kwargs)

        return call

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._enter(*args, **kwargs):
                return await function(*args, **kwargs)

        return call

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Bound while the generator runs, not while its consumer does."""

        def call(*args: Any, **kwargs: Any) -> Any:
            steps = function(*args, **kwargs)
            step: Callable[[], Any] = functools.partial(next, steps)
            while True:
                with self._enter(*args, **kwargs):
                    try:
                        item = step()
                    except StopIteration as end:
                        return end.value
                try:
                    sent = cast("Any", (yield item))
                except GeneratorExit:
                    with self._enter(*args, **kwargs):
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
                    with self._enter(*args, **kwargs):
                        try:
                            item = await steps.__anext__()
                        except StopAsyncIteration:
                            return
                    yield item
            finally:
                with self._enter(*args, **kwargs):
                    await steps.aclose()

        return call


def _is_coroutine(function: Callable[..., Any]) -> bool:
    """Of an object that can be called, what its class says."""
    called = vars(type(function)).get("__call__")
    return any(map(inspect.iscoroutinefunction, (function, called)))
