"""Requests of A2A, of which each waits for its turn in its task: it is worked on in the name of whoever sent it, for as
long as that takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import wrapt
from opentelemetry.context import Context

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.carried import carried_now, taken_over
from otel_genai_cost.tenancy.received import Received, received
from otel_genai_cost.tenancy.rolling import enter_received, leave
from otel_genai_instrumentors.queueing import Call

__all__ = ["at_once", "follow", "keep", "with_executor"]

_HELD: Final = "_genai_cost_context"
"""Where a request has its context while it waits."""


def keep(call: Call) -> Call:
    """For `sends`: a request is given to its task."""
    setattr(call.argument(0, "request_context"), _HELD, carried_now())
    return call


@guarded("queue.a2a", default=None)
def _taken(held: Context | None) -> Received:
    return received(None) if held is None else taken_over(held)


async def _execute(
    held: Context | None, execute: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    with (_taken(held) or received(None)).attached():
        return await execute(*args, **kwargs)


class _Executor(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """The agent's own, which works on each request in its own tenant's name."""

    async def execute(self, context: Any, *args: Any, **kwargs: Any) -> Any:
        own: Any = cast("Any", self).__wrapped__
        return await _execute(getattr(context, _HELD, None), own.execute, context, *args, **kwargs)


def with_executor(call: Call) -> Call:
    """For `sends`: a task is made, which has an agent execute its requests."""
    return call.replaced(0, "agent_executor", _Executor(call.argument(0, "agent_executor")))


def at_once(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The coroutine of a request that waits for nothing is made.

    Args:
        wrapped: the library's function.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """
    return _execute(carried_now(), wrapped, *args, **kwargs)


def follow(call: Call) -> Call:
    """For `sends`: what a task tells of a request, such as by a push notification, is that one's too."""
    event = call.argument(0, "event")
    kind = type(event).__name__
    if kind == "_RequestStarted":
        message = _taken(getattr(event.request_context, _HELD, None))
        enter_received(call.instance, message or received(None))
    elif kind == "_RequestCompleted":
        leave(call.instance)
    return call
