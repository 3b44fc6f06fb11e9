"""Streams that end where what is held for them ends: cleanly, with the client's own last parts, and the connection
closed."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.gated_call import GatedCall
from otel_genai_instrumentors.generators import first_step
from otel_genai_instrumentors.streams import inner_parts, put_inner_parts

__all__ = ["cut_answer", "cut_parts"]

Extend = Callable[[Callable[[], bool]], Awaitable[bool]]
"""Runs what blocks without blocking an event loop."""


class _Cut:
    """What is common to both kinds."""

    def __init__(self, inner: Any, call: GatedCall, closes: Any) -> None:
        self._inner, self._call, self._closes = inner, call, closes
        self._first: Any = None
        self._last: deque[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @guarded("gate.stream", default=False)
    def _is_outgrown(self, part: Any) -> bool:
        held, method = self._call.held, self._call.method
        if held is None:
            return False
        if self._first is None:
            self._first = part
        return held.is_outgrown(method.text(part if method.unpack is None else method.unpack(part)))

    def _end_with(self, part: Any) -> None:
        self._call.cut()
        self._last = deque(_last_parts(self._call, self._first, part))


@guarded("gate.last_parts", default=())
def _last_parts(call: GatedCall, first: Any, part: Any) -> tuple[Any, ...]:
    """The parts with which the client's stream is to end; none if its kind has none."""
    facts = call.method.gate
    return () if facts is None or facts.last is None else facts.last(first, part)


class _SyncCut(_Cut):
    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._last is not None:
            return self._next_of(self._last)
        part = next(self._inner)
        held = self._call.held
        if held is not None and self._is_outgrown(part) and not held.extend():
            self._end_with(part)
            for closing in _closings(("close",), self._inner, self._closes):
                closing()
        return part

    def _next_of(self, last: deque[Any]) -> Any:
        if not last:
            raise StopIteration
        return last.popleft()


class _AsyncCut(_Cut):
    def __init__(self, inner: Any, call: GatedCall, closes: Any, extend: Extend) -> None:
        super().__init__(inner, call, closes)
        self._extend, self._is_begun = extend, False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._last is not None:
            return self._next_of(self._last)
        step = self._inner.__anext__ if self._is_begun else partial(first_step, self._inner)
        self._is_begun = True
        part = await step()
        held = self._call.held
        if held is not None and self._is_outgrown(part) and not await self._extend(held.extend):
            self._end_with(part)
            for closing in _closings(("aclose", "close"), self._inner, self._closes):
                closed = closing()
                if inspect.isawaitable(closed):
                    await closed
        return part

    def _next_of(self, last: deque[Any]) -> Any:
        if not last:
            raise StopAsyncIteration
        return last.popleft()


def _closings(names: tuple[str, ...], *things: Any) -> Iterator[Callable[[], Any]]:
    """How each is closed that can be, by the first of these methods that it has."""
    for thing in things:
        found = (getattr(thing, name, None) for name in names)
        closing = next((each for each in found if each is not None), None)
        if closing is not None:
            yield closing


def cut_parts(parts: Any, call: GatedCall, extend: Extend, closes: Any = None) -> Any:
    """An iterator like another, which ends where its call's hold does.

    Args:
        parts: the client's own iterator or generator.
        call: that it answers.
        extend: how an asynchronous one waits for more to be held.
        closes: what is closed with it; None for nothing more.
    """
    if hasattr(parts, "__anext__"):
        return _AsyncCut(parts, call, closes, extend)
    return _SyncCut(parts, call, closes)


@guarded("gate.cut", default=None)
def cut_answer(result: Any, call: GatedCall, extend: Extend) -> None:
    """Have a client's stream end where its call's hold does.

    Args:
        result: what the client returned; left alone unless it is a stream of parts.
        call: that it answers.
        extend: how an asynchronous one waits for more to be held.
    """
    if call.held is None or not call.held.is_watched:
        return
    answer = call.method.answer(result)
    if answer.attribute is None or answer.is_read:
        return
    holder = result if answer.stream is None else answer.stream
    closes = answer.response if answer.response is not None else holder
    inner = inner_parts(holder, answer.attribute)
    put_inner_parts(holder, answer.attribute, cut_parts(inner, call, extend, closes))
