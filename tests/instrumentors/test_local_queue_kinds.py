"""Kinds of queues that carry nothing, and those that a team makes itself: nobody gets another's tenant by them."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost import tenant
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_instrumentors.queues.standard import (
    AsyncioQueueInstrumentor,
    QueueQueueInstrumentor,
)
from tests.instrumentors.put_by import as_request, instrumented, now


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    with instrumented(QueueQueueInstrumentor(), AsyncioQueueInstrumentor()):
        yield


class _Unique(queue.Queue[int]):
    """Leaves out what is in it already."""

    def _put(self, item: int) -> None:
        if item not in self.queue:
            super()._put(item)


class _Latest(queue.Queue[int]):
    """Begins with what came last, as a stack does."""

    def _put(self, item: int) -> None:
        self.queue.appendleft(item)


class _Own(queue.Queue[int]):
    """Keeps its items elsewhere."""

    def _init(self, maxsize: int) -> None:
        self.items: dict[int, None] = {}

    def _qsize(self) -> int:
        return len(self.items)

    def _put(self, item: int) -> None:
        self.items[item] = None

    def _get(self) -> int:
        found = next(iter(self.items))
        del self.items[found]
        return found


@pytest.mark.parametrize(
    ("kind", "right"),
    [
        (_Unique, [(0, "acme"), (1, "globex")]),
        (_Latest, [(0, "nobody"), (1, "nobody"), (0, "nobody")]),
        (_Own, [(0, "nobody"), (1, "nobody")]),
    ],
)
def test_a_teams_own_kind_of_queue(kind: Any, right: list[tuple[int, str]]) -> None:
    """Where it puts items by Python's own function they carry; nobody gets another's."""
    jobs = kind()
    for at, name in enumerate(("acme", "globex", "acme")):
        as_request(name, lambda at=at: jobs.put(at % 2))  # type: ignore[misc]
    found = []
    while jobs.qsize():
        found.append((jobs.get(), now()))
    assert found == right


def _of_a_simple_queue(jobs: list[int]) -> Callable[[], object]:
    simple: queue.SimpleQueue[int] = queue.SimpleQueue()
    for one in jobs:
        simple.put(one)
    return simple.get


def _of_a_database(jobs: list[int]) -> Callable[[], object]:
    table = sqlite3.connect(":memory:", check_same_thread=False)
    table.execute("CREATE TABLE jobs (id INTEGER)")
    table.executemany("INSERT INTO jobs VALUES (?)", [(one,) for one in jobs])
    return lambda: table.execute("DELETE FROM jobs RETURNING id").fetchone()


def _of_a_stack(jobs: list[int]) -> Callable[[], object]:
    stack: queue.LifoQueue[int] = queue.LifoQueue()
    for one in jobs:
        stack.put(one)
    return stack.get


@pytest.mark.parametrize("made", [_of_a_simple_queue, _of_a_database, _of_a_stack])
def test_what_carries_nothing_is_never_for_whoever_started_the_worker(made: Any) -> None:
    found: list[str | None] = []
    is_over = threading.Event()

    def work(started_in: Context, get: Callable[[], object]) -> None:
        context.attach(started_in)
        is_over.wait(10)
        get()
        found.append(attribution_of(capture(None)).absent)

    for starts_in, absent in (("globex", "stale"), (None, "missing")):
        with tenant("acme"):
            get = made([1])
        is_over.clear()
        with nullcontext() if starts_in is None else tenant(starts_in):
            thread = threading.Thread(target=work, args=(context.get_current(), get))
            thread.start()
        is_over.set()
        thread.join()
        assert found.pop() == absent


@pytest.mark.parametrize("kind", [queue.PriorityQueue, queue.LifoQueue])
def test_queues_of_another_order_carry_nothing(kind: Callable[[], Any]) -> None:
    jobs = kind()
    as_request("acme", lambda: jobs.put(1))
    as_request("globex", lambda: jobs.put(2))
    jobs.get()
    assert now() == "nobody"
