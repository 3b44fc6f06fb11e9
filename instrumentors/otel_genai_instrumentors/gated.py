"""A gate before a client's method: what a call may cost is held first, and it is sent as far as that is paid for.

It stands inside the call, next to the client's own function, and is of the same kind as that: a function, a coroutine,
or a generator that sends when it is first asked for a part.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from types import CoroutineType
from typing import Any, TypeVar

from otel_genai_cost.admission import Ask, Gate, gates
from otel_genai_cost.blocks import hook
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.cutting import cut_answer, cut_parts
from otel_genai_instrumentors.gated_call import GatedCall, Go, Refusing, Step
from otel_genai_instrumentors.generators import GENERATORS, first_step
from otel_genai_instrumentors.owned import Owned, like

__all__ = ["gated"]

_R = TypeVar("_R")


def gated(wrapped: Callable[..., Any], *, is_coroutine: bool, is_lazy: bool) -> Callable[..., Any]:
    """A function like a client's, which asks the gate of the call that it runs in before it sends.

    Args:
        wrapped: the client's function.
        is_coroutine: whether it gives a coroutine.
        is_lazy: whether what it gives, now or when awaited, sends when it is first asked for a part.
    """

    def send(*args: Any, **kwargs: Any) -> Any:
        again = partial(wrapped, *args)
        if is_coroutine:
            pending = wrapped(*args, **kwargs)
            ours = _await_lazy if is_lazy else _await_admitted
            return like(pending, ours(pending, again, kwargs, Owned(pending)))
        if is_lazy:
            return _later(wrapped(*args, **kwargs), again, kwargs)
        return _admitted(again, kwargs)

    return send


# --- one after the other: what is asked, and what is waited for ---


def _decide(call: GatedCall, kwargs: dict[str, Any]) -> Go | Refusing:
    """What becomes of a call. Blocks."""
    steps = call.admission(kwargs)
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return _outcome(end)
        if isinstance(step, Ask):
            answer = gates[0].reserve(step)
        else:
            time.sleep(step)
            answer = None


async def _decide_async(call: GatedCall, kwargs: dict[str, Any]) -> Go | Refusing:
    """The same. Blocks no event loop."""
    steps = call.admission(kwargs)
    answer: Any = None
    while True:
        try:
            step: Step = steps.send(answer)
        except StopIteration as end:
            return _outcome(end)
        if isinstance(step, Ask):
            answer = await _reserve_off_loop(gates[0], step)
        else:
            await _sleep(step)
            answer = None


def _outcome(end: StopIteration) -> Go | Refusing:
    outcome: Go | Refusing = end.value
    return outcome


async def _reserve_off_loop(gate: Gate, ask: Ask) -> Any:
    """Whoever is cancelled while the gate is asked holds nothing."""
    return await _off_loop(gate, lambda: gate.reserve(ask), lambda _: gate.release(ask.who.id))


def _nothing(_: object) -> None:
    """Nobody is to be told."""


async def _off_loop(
    gate: Gate, function: Callable[[], _R], left: Callable[[object], object] = _nothing
) -> _R:
    """Run what blocks on another thread.

    Args:
        gate: has the threads.
        function: does not raise.
        left: is called when it has run and nobody waited for that.
    """
    if not _is_asyncio():
        trio: Any = sys.modules.get("trio")
        found: _R = function() if trio is None else await trio.to_thread.run_sync(function)
        return found
    future = gate.in_background(function)
    if future is None:
        return function()
    try:
        return await asyncio.wrap_future(future)
    except BaseException:
        future.add_done_callback(left)
        raise


async def _sleep(seconds: float) -> None:
    trio: Any = sys.modules.get("trio")
    await (asyncio.sleep if _is_asyncio() or trio is None else trio.sleep)(seconds)


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _extend(gate: Gate, extend: Callable[[], bool]) -> bool:
    return await _off_loop(gate, extend)


# --- the kinds of functions ---


def _gated_call() -> GatedCall | None:
    call = current_call()
    return call if isinstance(call, GatedCall) and gates else None


def _admitted(again: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    call = _gated_call()
    if call is None:
        return again(**kwargs)
    outcome = _decide(call, kwargs)
    if isinstance(outcome, Refusing):
        return _answer_instead(outcome)
    return _cut(again(**outcome.kwargs), call)


async def _await_admitted(
    pending: Any, again: Callable[..., Any], kwargs: dict[str, Any], _: object
) -> Any:
    call = _gated_call()
    if call is None:
        return await pending
    outcome = await _decide_async(call, kwargs)
    if isinstance(outcome, Go) and not outcome.is_changed:
        return _cut(await pending, call)
    if type(pending) is CoroutineType:
        pending.close()
    if isinstance(outcome, Go):
        return _cut(await again(**outcome.kwargs), call)
    answer = _answer_instead(outcome)
    return await answer if inspect.isawaitable(answer) else answer


async def _await_lazy(
    pending: Any, again: Callable[..., Any], kwargs: dict[str, Any], _: object
) -> Any:
    async def made_again(**other: Any) -> Any:
        return await again(**other)

    return _later(await pending, made_again, kwargs)


def _later(inner: Any, again: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    """Like what sends when it is asked for its first part, and decided only then."""
    manager: Any = inner
    if isinstance(inner, AbstractContextManager):
        return _opened(manager, again, kwargs)
    if isinstance(inner, AbstractAsyncContextManager):
        return _opened_async(manager, again, kwargs)
    if inspect.isasyncgen(inner):
        seen: Any = _asynchronous(inner, again, kwargs)
    elif inspect.isgenerator(inner):
        seen = _synchronous(inner, again, kwargs)
    else:
        return inner
    seen.__name__, seen.__qualname__ = inner.__name__, inner.__qualname__
    return seen


def _synchronous(
    inner: Any, again: Callable[..., Any], kwargs: dict[str, Any]
) -> Generator[Any, Any, Any]:
    call = _gated_call()
    parts: Generator[Any, Any, Any] = inner
    if call is not None:
        outcome = _decide(call, kwargs)
        if isinstance(outcome, Refusing):
            parts = _answer_instead(outcome)
        else:
            parts = _cut(again(**outcome.kwargs) if outcome.is_changed else inner, call)
    return (yield from parts)


async def _asynchronous(
    inner: Any, again: Callable[..., Any], kwargs: dict[str, Any]
) -> AsyncGenerator[Any, None]:
    call, parts = _gated_call(), inner
    if call is not None:
        outcome = await _decide_async(call, kwargs)
        if isinstance(outcome, Refusing):
            parts = _answer_instead(outcome)
        elif outcome.is_changed:
            made = again(**outcome.kwargs)
            parts = await made if inspect.isawaitable(made) else made
        if isinstance(outcome, Go):
            parts = _cut(parts, call)
    step: Callable[[], Any] = partial(first_step, aiter(parts))
    try:
        while True:
            try:
                part = await step()
            except StopAsyncIteration:
                return
            step = parts.__anext__
            yield part
    finally:
        for each in (inner, parts):
            closing = getattr(each, "aclose", None)
            if closing is not None:
                await closing()


@contextmanager
def _opened(
    inner: AbstractContextManager[Any], again: Callable[..., Any], kwargs: dict[str, Any]
) -> Generator[Any, None, None]:
    call = _gated_call()
    outcome: Go | Refusing = Go(kwargs) if call is None else _decide(call, kwargs)
    if isinstance(outcome, Refusing):
        yield _answer_instead(outcome)
        return
    with again(**outcome.kwargs) if outcome.is_changed else inner as stream:
        yield stream if call is None else _cut(stream, call)


@asynccontextmanager
async def _opened_async(
    inner: AbstractAsyncContextManager[Any], again: Callable[..., Any], kwargs: dict[str, Any]
) -> AsyncGenerator[Any, None]:
    call = _gated_call()
    outcome: Go | Refusing = Go(kwargs) if call is None else await _decide_async(call, kwargs)
    if isinstance(outcome, Refusing):
        yield _answer_instead(outcome)
        return
    async with again(**outcome.kwargs) if outcome.is_changed else inner as stream:
        yield stream if call is None else _cut(stream, call)


def _answer_instead(outcome: Refusing) -> Any:
    """What the application answers itself.

    Raises:
        BaseException: the client's own status error, if it answers nothing, or what its hook raises.
    """
    answering = hook()
    answer = None if answering is None else answering(outcome.block)
    if answer is None:
        raise outcome.error
    return answer


def _cut(result: Any, call: GatedCall) -> Any:
    """The same, which ends where what is held for it does."""
    held = call.held
    if held is None or not held.is_watched:
        return result
    extend = partial(_extend, held.gate)
    if type(result) in GENERATORS:
        return _as_generator(cut_parts(result, call, extend), result)
    cut_answer(result, call, extend)
    return result


def _as_generator(parts: Any, inner: Any) -> Any:
    """A generator of them, as the client gave one."""
    seen: Any
    if hasattr(parts, "__anext__"):

        async def each_async() -> AsyncGenerator[Any, None]:
            try:
                async for part in parts:
                    yield part
            finally:
                await inner.aclose()

        seen = each_async()
    else:

        def each() -> Generator[Any, None, None]:
            try:
                yield from parts
            finally:
                inner.close()

        seen = each()
    seen.__name__, seen.__qualname__ = inner.__name__, inner.__qualname__
    return seen
