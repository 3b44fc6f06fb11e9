"""Queues inside a process that carry tenants, beside the same ones bare: an item that is put and got."""

from __future__ import annotations

import asyncio
import contextvars
import queue
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import janus
from anyio import create_memory_object_stream
from opentelemetry import context

from otel_genai_cost import detached, tenant
from otel_genai_instrumentors.queues.anyio import AnyioInstrumentor
from otel_genai_instrumentors.queues.janus import JanusInstrumentor
from otel_genai_instrumentors.queues.standard import (
    AsyncioQueueInstrumentor,
    QueueQueueInstrumentor,
)
from tests.bench.measure import Result, alternate, relative

_INSTRUMENTORS: Final = (
    QueueQueueInstrumentor,
    AsyncioQueueInstrumentor,
    AnyioInstrumentor,
    JanusInstrumentor,
)


class _Exchange(NamedTuple):
    """The two ends of a queue."""

    put: Callable[[int], object]
    get: Callable[[], object]


_Of = Callable[[Any], Any]
"""Gives the class that is used of one of the library's."""


def local_queues() -> Iterator[Result]:
    """Each kind, by nobody, and by a tenant for a worker that has none."""
    bare = [made(_as_it_is) for made in _KINDS.values()]
    for one in _INSTRUMENTORS:
        one().instrument()
    try:
        for (name, made), plain in zip(_KINDS.items(), bare, strict=True):
            carrying = made(lambda kind: kind)
            for of, rounds in (("nobody's", _nobodys), ("a tenant's", _tenants)):
                pair = contextvars.Context().run(
                    alternate, rounds(carrying), rounds(plain), calls=500, rounds=40
                )
                yield relative(f"an item through {name}, {of}", pair, "the bare one", _GOALS[of])
    finally:
        for one in _INSTRUMENTORS:
            one().uninstrument()


def _as_it_is(kind: Any) -> Any:
    """A subclass that keeps the functions which are in place now."""
    return type(kind.__name__, (kind,), {k: v for k, v in vars(kind).items() if callable(v)})


def _threads(of: _Of) -> _Exchange:
    jobs = of(queue.Queue)()
    return _Exchange(jobs.put, jobs.get)


def _tasks(of: _Of) -> _Exchange:
    jobs = of(asyncio.Queue)()
    return _Exchange(jobs.put_nowait, jobs.get_nowait)


def _streams(of: _Of) -> _Exchange:
    ends = create_memory_object_stream[int](1)
    send, receive = (of(type(end))(end._state) for end in ends)
    for end in ends:
        end.close()
    return _Exchange(send.send_nowait, receive.receive_nowait)


def _janus(of: _Of) -> _Exchange:
    jobs = of(janus.Queue)()
    ends = of(type(jobs.sync_q))(jobs)
    return _Exchange(ends.put, ends.get)


_KINDS: Final[dict[str, Callable[[_Of], _Exchange]]] = {
    "queue.Queue": _threads,
    "asyncio.Queue": _tasks,
    "a stream of anyio": _streams,
    "a queue of janus": _janus,
}
_GOALS: Final = {"nobody's": "<= 9.00", "a tenant's": "<= 20.00"}


def _nobodys(exchange: _Exchange) -> Callable[[], object]:
    put, get = exchange

    def once() -> None:
        put(1)
        get()

    return once


def _tenants(exchange: _Exchange) -> Callable[[], object]:
    """With the worker's way back to nobody, as it asks for the next."""
    put, get = exchange
    with tenant("acme"), detached():
        theirs = context.get_current()

    def once() -> None:
        token = context.attach(theirs)
        put(1)
        context.detach(token)
        get()

    return once
