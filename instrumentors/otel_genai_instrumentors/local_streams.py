"""Streams inside a process: as queues, but that an item may go straight to whoever waits for it, past what is kept.

So what is known of items is kept by what they are. An item that was lost on its way, to a receiver that was cancelled,
is forgotten with it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.binding import current_binding
from otel_genai_cost.tenancy.carried import carried_now
from otel_genai_cost.tenancy.rolling import leave
from otel_genai_instrumentors.local_queues import Owner, enter_carried, is_work, outside_of

__all__ = ["receives", "receives_later", "sends", "sends_later"]

_HELD: Final = "_genai_cost_held"
"""On what has the items: what is known of each, by identity, in the order in which they were sent."""

_is_inside: ContextVar[bool] = ContextVar("genai-cost-stream", default=False)
"""Whether a stream's coroutine is at work, which uses its plain functions."""


class _Known(NamedTuple):
    """An item, and the context that it was sent in; None if it carries none. It is kept until the item is received, so
    that its identity is nobody else's."""

    item: object
    carried: Context | None


def sends(original: Callable[..., Any], owner: Owner) -> Callable[..., Any]:
    """Around what sends an item or raises.

    Args:
        original: the stream's function.
        owner: what has the items; must not raise.
    """

    @functools.wraps(original)
    def send(self: Any, item: Any) -> Any:
        known = None if _is_inside.get() else _note(owner(self), item)
        try:
            return original(self, item)
        except BaseException:
            _forget(owner(self), known)
            raise

    return send


def sends_later(original: Callable[..., Any], owner: Owner) -> Callable[..., Any]:
    """As `sends`, of a coroutine.

    Args:
        original: the stream's function.
        owner: what has the items; must not raise.
    """

    @functools.wraps(original)
    async def send(self: Any, item: Any) -> Any:
        known = _note(owner(self), item)
        token = _is_inside.set(True)
        try:
            return await original(self, item)
        except BaseException:
            _forget(owner(self), known)
            raise
        finally:
            outside_of(token)

    return send


def receives(original: Callable[..., Any], owner: Owner) -> Callable[..., Any]:
    """Around what receives an item or raises: the last one has been worked on.

    Args:
        original: the stream's function.
        owner: what has the items; must not raise.
    """

    @functools.wraps(original)
    def receive(self: Any) -> Any:
        if _is_inside.get():
            return original(self)
        leave(owner(self))
        item = original(self)
        _take(owner(self), item)
        return item

    return receive


def receives_later(
    original: Callable[..., Any], owner: Owner, is_empty: Callable[[Any], bool]
) -> Callable[..., Any]:
    """As `receives`, of a coroutine.

    Args:
        original: the stream's function.
        owner: what has the items; must not raise.
        is_empty: whether that has none, also of those that wait for room; must not raise.
    """

    @functools.wraps(original)
    async def receive(self: Any) -> Any:
        holder = owner(self)
        leave(holder)
        token = _is_inside.set(True)
        try:
            item = await original(self)
        except BaseException:
            _lose(holder, is_empty)
            raise
        finally:
            outside_of(token)
        _take(holder, item)
        return item

    return receive


@guarded("local_stream.send", default=None)
def _note(holder: Any, item: object) -> _Known | None:
    """Before an item is sent. One that carries nothing is noted only to keep it apart from the same one that does."""
    members: dict[str, Any] = holder.__dict__
    held: dict[int, list[_Known]] | None = members.get(_HELD)
    carried = carried_now()
    if carried is not None and not is_work(members, item):
        carried = None
    if carried is None and (held is None or id(item) not in held):
        return None
    known = _Known(item, carried)
    members.setdefault(_HELD, {}).setdefault(id(item), []).append(known)
    return known


@guarded("local_stream.send", default=None)
def _forget(holder: Any, known: _Known | None) -> None:
    """An item was not sent."""
    if known is None:
        return
    held: dict[int, list[_Known]] = holder.__dict__[_HELD]
    left = [one for one in held.pop(id(known.item), ()) if one is not known]
    if left:
        held[id(known.item)] = left


@guarded("local_stream.receive", default=None)
def _lose(holder: Any, is_empty: Callable[[Any], bool]) -> None:
    """Nothing was received; what had been handed over is lost."""
    held: dict[int, list[_Known]] | None = holder.__dict__.get(_HELD)
    if held and is_empty(holder):
        held.clear()


@guarded("local_stream.receive", default=None)
def _take(holder: Any, item: object) -> None:
    """After an item was received."""
    held: dict[int, list[_Known]] | None = holder.__dict__.get(_HELD)
    if not held and current_binding() is None:
        return
    known = held.get(id(item)) if held else None
    carried = None
    if held and known:
        carried = known.pop(0).carried
        if not known:
            del held[id(item)]
    enter_carried(holder, item, carried)
