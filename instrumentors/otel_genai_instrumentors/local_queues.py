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
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar, Token
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any, Final, TypeAlias, cast

from opentelemetry.context import Context

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.binding import current_binding
from otel_genai_cost.tenancy.carried import carried_now, is_bound_now, is_carrying, taken_over
from otel_genai_cost.tenancy.received import Received
from otel_genai_cost.tenancy.rolling import enter_received, leave
from otel_genai_instrumentors.patching import Patch, Replacement
from otel_genai_instrumentors.queueing import QueueInstrumentor, is_reading

__all__ = [
    "LocalQueueInstrumentor",
    "Owner",
    "asks",
    "asks_later",
    "direct",
    "enter_carried",
    "is_work",
    "outside_of",
    "puts",
    "takes",
    "waits",
]

_HELD: Final = "_genai_cost_held"
"""On a queue: for each item in it, its identity and the context that it was put in, None for one that carries none."""

_TAKEN: Final = "_genai_cost_taken"
"""On a queue: what was taken out of it, by identity."""

_TAKEN_MAX: Final = 256
_GETS: Final[set[CodeType]] = set()
"""What coroutines that get an item run."""

_Got: TypeAlias = list[tuple[object, Received | None]]
"""Queues that were asked, and what an item carries that came."""

_got: ContextVar[_Got | None] = ContextVar("genai-cost-got", default=None)
"""In a task that asks for another one: where it notes that."""

_WORK: Final = frozenset({FunctionType, BuiltinFunctionType, MethodType, functools.partial})
"""Types of what is work and nothing else, however often it is put."""

Owner: TypeAlias = Callable[[Any], object]
"""Gives what has the items, of what an application asks for them: the same for all whom one worker asks."""

_Known: TypeAlias = tuple[int, Context | None]
_NOBODYS: Final[_Known] = (0, None)
_Held: TypeAlias = deque[_Known]


class LocalQueueInstrumentor(QueueInstrumentor):
    """Places that are patched unless such queues are to be left alone."""

    def patches(self, **options: Any) -> Iterable[Patch]:
        return self.places if is_carrying() else ()


def direct(module: str, path: str, replacement: Replacement) -> Patch:
    """What is called very often.

    Args:
        module: of the function.
        path: of the function in there.
        replacement: gives what takes its place.
    """
    return Patch(module, path, cast("Any", replacement), direct=True)


def _itself(asked: Any) -> object:
    return asked


def asks(original: Callable[..., Any], owner: Owner = _itself) -> Callable[..., Any]:
    """Around what asks for the next item: the last one has been worked on, also if there is none.

    Args:
        original: the queue's function.
        owner: what has the items; must not raise.
    """

    @functools.wraps(original)
    def get(self: Any, *args: Any, **kwargs: Any) -> Any:
        leave(owner(self))
        return original(self, *args, **kwargs)

    return get


def asks_later(original: Callable[..., Any], owner: Owner = _itself) -> Callable[..., Any]:
    """As `asks`, of a coroutine.

    Args:
        original: the queue's function.
        owner: what has the items; must not raise.
    """

    @functools.wraps(original)
    async def get(self: Any) -> Any:
        queue, got = owner(self), _got.get()
        leave(queue)
        if got is not None:
            got.append((queue, None))
        return await original(self)

    _GETS.add(cast("Any", get).__code__)
    return get


def waits(original: Callable[..., Any]) -> Callable[..., Any]:
    """Around `asyncio.wait_for` before Python 3.12, which has another task await what it is given: an item that is got
    there is for whoever waits, who has also worked on the last one.

    Args:
        original: the function.
    """

    @functools.wraps(original)
    async def wait_for(fut: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(fut, "cr_code", None) not in _GETS:
            return await original(fut, *args, **kwargs)
        got: _Got = []
        token = _got.set(got)
        try:
            return await original(fut, *args, **kwargs)
        except GeneratorExit:
            got.clear()
            raise
        except BaseException:
            got[:] = ((queue, None) for queue, _ in got)
            raise
        finally:
            outside_of(token)
            _hand_over(got)

    return wait_for


def outside_of(token: Token[Any]) -> None:
    """Reset a variable, unless its coroutine is thrown away from outside, and its context with it.

    Args:
        token: of the variable that was set in a coroutine.
    """
    with suppress(ValueError):
        token.var.reset(token)


@guarded("local_queue.wait_for", default=None)
def _hand_over(got: _Got) -> None:
    for queue, message in got:
        if message is None:
            leave(queue)
        else:
            enter_received(queue, message)


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
    held.append((id(item), carried if carried is not None and is_work(members, item) else None))


def is_work(members: dict[str, Any], item: object) -> bool:
    """Whether an item may carry whoever puts it: what is opened and closed, or was taken out here, may not.

    Args:
        members: of what has the items.
        item: the item.
    """
    kind = type(item)
    if kind in _WORK:
        return True
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
    """After it was taken out."""
    if first[0] == id(item):
        enter_carried(queue, item, first[1])


def enter_carried(queue: Any, item: object, carried: Context | None) -> None:
    """Work on an item in the context that it carries, unless that is for whom somebody said. What a library reads by
    such a queue is a message, with an envelope of its own. May raise.

    Args:
        queue: what had the items.
        item: the one that was taken out.
        carried: the context that it was put in; None for one that carries none.
    """
    _remember(queue, item)
    if carried is not None and not is_bound_now() and not is_reading():
        got = _got.get()
        if got is None:
            enter_received(queue, taken_over(carried))
        else:
            got.append((queue, taken_over(carried)))


def _remember(queue: Any, item: object) -> None:
    taken: dict[int, Any] = queue.__dict__.setdefault(_TAKEN, {})
    if len(taken) >= _TAKEN_MAX:
        taken.clear()
    if type(item).__weakrefoffset__:
        taken[id(item)] = weakref.ref(item)
