"""A call that could not be begun, or a request that is none: nothing is learned of it, it is no part of a call that it
may stand in, and nothing of the tenant's leaves with it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost.shared_calls import CALL_KEY
from otel_genai_cost.tenancy.egress import outgoing
from otel_genai_instrumentors.generators import GENERATORS, generated

__all__ = ["Inside", "Unseen", "is_elsewhere"]


class Inside:
    """A block that runs in a context of its own, also where a coroutine in it is thrown away from outside."""

    def __init__(self, inside: Context) -> None:
        self._inside = inside

    def __enter__(self) -> None:
        self._token = context.attach(self._inside)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or not is_elsewhere(self._inside, error):
            context.detach(self._token)


class Unseen(Inside):
    """What stands for a call where there is none.

    Args:
        host: where the client sends the request; None if unknown.
    """

    def __init__(self, host: str | None) -> None:
        super().__init__(outgoing(host, context.set_value(CALL_KEY, None)))

    def settle(self, result: Any) -> Any:
        """The same; what is awaited or iterated later is inside then."""
        if type(result) in GENERATORS:
            return generated(lambda: self, result)
        if not inspect.isawaitable(result):
            return result
        awaited: Any = self._awaited(result)
        awaited.__name__ = getattr(result, "__name__", awaited.__name__)
        awaited.__qualname__ = getattr(result, "__qualname__", awaited.__qualname__)
        return awaited

    async def _awaited(self, pending: Awaitable[Any]) -> Any:
        with self:
            return await pending

    def begin_parts(self) -> None:
        """Nothing."""

    def learn(self, part: Any) -> bool:
        """Nothing, and it is not hidden."""
        return False

    def complete(self) -> None:
        """Nothing."""

    def leave(self, end_ns: int | None = None) -> None:
        """Nothing."""

    def abandon(self) -> None:
        """Nothing."""


def is_elsewhere(inside: Context, error: BaseException) -> bool:
    """Whether what ran inside a context is being thrown away from outside: its context ends with it, and there is
    nothing to detach from."""
    return isinstance(error, GeneratorExit) and context.get_current() is not inside
