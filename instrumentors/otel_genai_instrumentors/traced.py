"""The wrapper of a client's method: a call begins, and ends when its answer does.

The shape of a call is read from the function and from what it returned, so no client needs an async twin.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost.admission import gates
from otel_genai_cost.errors import UnattributedCallError, guarded
from otel_genai_cost.otel_api import current_context
from otel_genai_cost.tenancy.deferred import carried
from otel_genai_cost.tenancy.strict import demand_tenant, is_asked
from otel_genai_instrumentors.call import Call, begin, current_call
from otel_genai_instrumentors.gated import gated
from otel_genai_instrumentors.gated_call import begin_gated
from otel_genai_instrumentors.generators import generated
from otel_genai_instrumentors.method import READ_AGAIN, Method, Prepared, as_it_is
from otel_genai_instrumentors.open_calls import drain
from otel_genai_instrumentors.owned import Owned, like
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.unseen import Inside, Unseen

__all__ = ["carrying", "carrying_runner", "carrying_sender", "showing", "traced"]

_CallKind: TypeAlias = Literal["coroutine", "generator", "function"]
_Begins = TypeVar("_Begins")


def traced(
    method: Method, tracer: CallTracer, *, is_awaited: bool = False
) -> Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]:
    """The wrapt wrapper of a method.

    Args:
        method: what is known of it.
        tracer: starts the spans of its calls.
        is_awaited: whether a coroutine of it is always awaited where it is made.
    """
    server = guarded("instrumentor.server", (None, None))(method.server)
    prepare = guarded("instrumentor.prepare", None)(method.prepare)
    asks_more = method.prepare is not as_it_is
    kind: _CallKind | None = None

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        nonlocal kind
        if kind is None:  # a wrapper is around one function, whatever it is bound to
            kind = _kind_of(wrapped)
        drain()
        outer = current_call()
        if outer is not None and _is_within(outer, method, instance):
            return wrapped(*args, **kwargs)
        host, port = server(instance, args, kwargs)
        prepared = (asks_more and prepare(instance, kwargs)) or Prepared(kwargs)
        beginning, is_lazy = begin, kind == "generator" or method.is_lazy(kwargs)
        if gates and method.gate is not None:
            beginning = begin_gated
            wrapped = gated(wrapped, is_coroutine=kind == "coroutine", is_lazy=is_lazy)

        def start() -> Call | Unseen:
            if is_asked() and method.operation != READ_AGAIN:
                demand_tenant(f"{method.operation} {kwargs.get('model') or ''}".strip())
            return beginning(method, tracer, instance, prepared, host, port) or Unseen(host)

        if kind == "coroutine":
            pending = wrapped(*args, **prepared.kwargs)
            if is_awaited and not is_lazy:
                return _await_traced(start, pending)
            ours = _await_lazy if is_lazy else _await_traced
            return like(pending, ours(_later(start), pending, Owned(pending)))
        if is_lazy:
            return generated(_later(start), wrapped(*args, **prepared.kwargs))
        call = start()
        with call:
            result = wrapped(*args, **prepared.kwargs)
        return call.settle(result)

    return wrapper


def carrying(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of a coroutine function that is no call, and sends calls: they are for whom it was called for.

    Args:
        wrapped: the client's function.
        args: what it is called with.
        kwargs: likewise, by name.
    """
    return _carried_from_here(wrapped(*args, **kwargs))


def _carried_from_here(pending: Any) -> Any:
    asked = current_context(), time.monotonic()
    return like(pending, _await_carried(*asked, pending, Owned(pending)))


async def _await_carried(asked_in: Context, asked_s: float, pending: Any, _: object) -> Any:
    onto = carried(asked_in, asked_s)
    if onto is None:
        return await pending
    with Inside(onto):
        return await pending


def showing(pending: Any, then: Callable[[Any], object]) -> Any:
    """A coroutine like a client's, whose result is shown to somebody.

    Args:
        pending: the client's coroutine.
        then: gets its result; must not raise.
    """
    return like(pending, _await_shown(pending, then, Owned(pending)))


async def _await_shown(pending: Any, then: Callable[[Any], object], _: object) -> Any:
    result = await pending
    then(result)
    return result


def carrying_sender(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of a function that keeps its first argument, which sends a call when it is called, or awaited: that
    is for whom it was called for.

    Args:
        wrapped: the client's function.
        args: what it is called with.
        kwargs: likewise, by name.
    """
    if args and inspect.iscoroutine(args[0]):
        return wrapped(_carried_from_here(args[0]), *args[1:], **kwargs)
    if not args or not callable(args[0]):
        return wrapped(*args, **kwargs)
    asked_in, asked_s, send = current_context(), time.monotonic(), args[0]

    def send_carried() -> Any:
        onto = carried(asked_in, asked_s)
        if onto is None:
            return send()
        with Inside(onto):
            return send()

    return wrapped(send_carried, *args[1:], **kwargs)


def carrying_runner(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of a function that runs a coroutine function, its first argument or `async_function`, perhaps in
    another thread: what that sends is for whom it was called for.

    Args:
        wrapped: the client's function.
        args: what it is called with.
        kwargs: likewise, by name.
    """
    function: Any = args[0] if args else kwargs.get("async_function")
    if not callable(function):
        return wrapped(*args, **kwargs)
    asked_in, asked_s = current_context(), time.monotonic()

    def run_carried(*inner_args: Any, **inner_kwargs: Any) -> Any:
        pending = function(*inner_args, **inner_kwargs)
        return _await_carried(asked_in, asked_s, pending, Owned(pending))

    if args:
        return wrapped(run_carried, *args[1:], **kwargs)
    return wrapped(**{**kwargs, "async_function": run_carried})


def _later(start: Callable[[], _Begins]) -> Callable[[], _Begins]:
    """What starts a call that is asked for here, whenever it is sent."""
    return partial(_started, start, current_context(), time.monotonic())


def _started(start: Callable[[], _Begins], asked_in: Context, asked_s: float) -> _Begins:
    onto = carried(asked_in, asked_s)
    if onto is None:
        return start()
    token = context.attach(onto)
    try:
        return start()
    finally:
        context.detach(token)


@guarded("instrumentor.within", default=False)
def _is_within(outer: Call, method: Method, instance: Any) -> bool:
    """Whether a call that has not sent anything yet does so by this method."""
    return outer.sends_by(method.client(instance))


def _kind_of(wrapped: Any) -> _CallKind:
    """What a call of it gives: something to be awaited, something to be iterated, or what it says."""
    function = inspect.unwrap(getattr(wrapped, "__func__", wrapped))
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    return "generator" if is_generator else "function"


async def _await_traced(start: Callable[[], Call | Unseen], pending: Any, _: object = None) -> Any:
    """A call begins when it is awaited, as the client's own does."""
    try:
        call = start()
    except UnattributedCallError:
        pending.close()
        raise
    with call:
        result = await pending
    return call.settle(result)


async def _await_lazy(start: Callable[[], Call | Unseen], pending: Any, _: object) -> Any:
    """What is awaited gives a generator, and sends nothing."""
    return generated(start, await pending)
