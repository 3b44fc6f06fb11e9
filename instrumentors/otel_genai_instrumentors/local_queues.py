"""Queues inside a process: what is put for a tenant is worked on in its name, by a thread or task that serves all.

A shared consumer has the context of the request that started it, or none. So an item carries the context that it was
put in, and a consumer that has no open request of its own takes it over until it asks for the next item.

Such queues hold other things than work, too: connections that are taken out and put back, answers to a request that
waits. So nothing is taken over by whoever is in an open request or block: it is for whom that says. And nothing is
carried by what was taken out of the queue before, or by what is opened and closed.

What is carried stands beside the library's own queue, in the same order; if an application reaches into that one, what
is known of its items is forgotten.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from opentelemetry.context import Context

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.binding import current_binding
from otel_genai_cost.tenancy.carried import carried_now, is_bound_now, taken_over
from otel_genai_cost.tenancy.rolling import enter_received, leave
from otel_genai_instrumentors.patching import Replacement
from otel_genai_instrumentors.queueing import is_reading

__all__ = ["asks", "asks_later", "puts", "takes"]

_HELD: Final = "_genai_cost_held"
"""On a queue: for each item in it, its identity and the context that it was put in, None for one that carries none."""

_TAKEN: Final = "_genai_cost_taken"
"""On a queue: what was taken out of it, by identity."""

_TAKEN_MAX: Final = 256

_Known: TypeAlias = tuple[int, Context | None]
_NOBODYS: Final[_Known] = (0, None)
_Held: TypeAlias = deque[_Known]


def asks(original: Callable[..., Any]) -> Callable[..., Any]:
    """Around what asks for the next item: the last one has been worked on, also if there is none.

    Args:
        original: the queue's function.
    """

    @functools.wraps(original)
    def get(self: Any, *args: Any, **kwargs: Any) -> Any:
        leave(self)
        return original(self, *args, **kwargs)

    return get


def asks_later(original: Callable[..., Any]) -> Callable[..., Any]:
    """As `asks`, of a coroutine.

    Args:
        original: the queue's function.
    """

    @functools.wraps(original)
    async def get(self: Any) -> Any:
        leave(self)
        return await original(self)

    return get


def puts(items: str) -> Replacement:
    """Around a queue's function that adds an item at its end.

    Args:
        items: the attribute that has the items.
    """
    note = guarded("local_queue.put", default=None)(_note)

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def put(self: Any, item: Any) -> Any:
            note(self, items, item)
            return original(self, item)

        return put

    return around


def takes(items: str) -> Replacement:
    """Around a queue's function that takes its first item out.

    Args:
        items: the attribute that has the items.
    """
    known = guarded("local_queue.get", default=None)(_first)
    found = guarded("local_queue.get", default=None)(_take)

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def take(self: Any) -> Any:
            first = known(self, items)
            item = original(self)
            if first is not None:
                found(self, first, item)
            return item

        return take

    return around


def _note(queue: Any, items: str, item: object) -> None:
    """Before an item is put."""
    members: dict[str, Any] = queue.__dict__
    held: _Held | None = members.get(_HELD)
    there = len(members[items])
    if held is None or len(held) != there:
        held = deque[_Known]([_NOBODYS] * there)
        members[_HELD] = held
    carried = carried_now()
    held.append((id(item), carried if carried is not None and _is_work(members, item) else None))


def _is_work(members: dict[str, Any], item: object) -> bool:
    kind = type(item)
    if hasattr(kind, "__exit__") or hasattr(kind, "__aexit__"):
        return False
    taken: dict[int, Callable[[], object]] | None = members.get(_TAKEN)
    known = None if taken is None else taken.get(id(item))
    return known is None or known() is not item


def _first(queue: Any, items: str) -> _Known | None:
    """What is known of the item that comes next, if a tenant is near: of whoever put it or takes it."""
    members: dict[str, Any] = queue.__dict__
    held: _Held | None = members.get(_HELD)
    if not held:
        return None
    if len(held) != len(members[items]):
        held.clear()
        return None
    known = held.popleft()
    return known if known[1] is not None or current_binding() is not None else None


def _take(queue: Any, first: _Known, item: object) -> None:
    """After it was taken out. What a library reads by such a queue is a message, with an envelope of its own."""
    if first[0] != id(item):
        return
    _remember(queue, item)
    if first[1] is not None and not is_bound_now() and not is_reading():
        enter_received(queue, taken_over(first[1]))


def _remember(queue: Any, item: object) -> None:
    taken: dict[int, Any] = queue.__dict__.setdefault(_TAKEN, {})
    if len(taken) >= _TAKEN_MAX:
        taken.clear()
    if type(item).__weakrefoffset__:
        taken[id(item)] = weakref.ref(item)
