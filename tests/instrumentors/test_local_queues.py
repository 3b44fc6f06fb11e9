"""Queues inside a process: a worker that serves everybody works on each item in the name of whoever put it, and nobody
else who uses such a queue is disturbed."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import logging.handlers
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost import detached, job, system, tenant
from otel_genai_cost.tenancy import carried
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_instrumentors.queues.standard import (
    AsyncioQueueInstrumentor,
    QueueQueueInstrumentor,
)
from tests.instrumentors.put_by import PUT_BY, RIGHT, as_request, instrumented, now


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    with instrumented(QueueQueueInstrumentor(), AsyncioQueueInstrumentor()):
        yield


class _Worker:
    """A thread that the first request starts, with its context, as upstream's instrumentation of threads does it."""

    def __init__(self, jobs: queue.Queue[Any]) -> None:
        self.jobs, self.seen, self._thread = jobs, [""] * 0, threading.Thread()

    def put(self, item: object) -> None:
        if not self._thread.ident:
            started_in = context.get_current()
            self._thread = threading.Thread(target=self._run, args=(started_in,))
            self._thread.start()
        self.jobs.put(item)

    def _run(self, started_in: Context) -> None:
        context.attach(started_in)
        while True:
            try:
                item = self.jobs.get(timeout=0.02)
            except queue.Empty:
                self.seen.append(f"idle {now()}")
                continue
            if item is None:
                break
            item()
            self.seen.append(now())
            self.jobs.task_done()

    def ended(self) -> list[str]:
        self.jobs.put(None)
        self._thread.join()
        assert all(one == "idle nobody" for one in self.seen if one.startswith("idle"))
        return [one for one in self.seen if not one.startswith("idle")]


def test_a_thread_that_the_first_request_starts() -> None:
    worker = _Worker(queue.Queue())
    started = threading.Event()
    with tenant("acme"):  # and has ended before its item is worked on
        worker.put(started.wait)
    for name in PUT_BY:
        as_request(name, lambda: worker.put(lambda: None))
    started.set()
    worker.jobs.join()
    threading.Event().wait(0.1)
    assert worker.ended() == ["acme", *RIGHT]


def test_a_task_that_the_first_request_starts() -> None:
    async def worker(jobs: asyncio.Queue[int], seen: list[str]) -> None:
        while True:
            await jobs.get()
            await asyncio.sleep(0)
            seen.append(now())
            jobs.task_done()

    async def run() -> list[str]:
        jobs: asyncio.Queue[int] = asyncio.Queue()
        seen: list[str] = []
        tasks: list[asyncio.Task[None]] = []
        with tenant("acme"):
            tasks.append(asyncio.create_task(worker(jobs, seen)))
        for at, name in enumerate(PUT_BY):
            as_request(name, lambda at=at: jobs.put_nowait(at))  # type: ignore[misc]
            if at % 2:
                await jobs.join()
        await jobs.join()
        tasks[0].cancel()
        return seen

    assert asyncio.run(run()) == RIGHT


def test_what_a_worker_starts_and_leaves_is_nobodys_once_it_asks_for_more() -> None:
    async def later() -> str:
        await asyncio.sleep(0.01)
        return now()

    async def run() -> list[str]:
        jobs: asyncio.Queue[int] = asyncio.Queue()
        as_request("acme", lambda: jobs.put_nowait(1))
        await jobs.get()
        left = asyncio.create_task(later())
        with detached():
            kept = asyncio.create_task(later())
        with pytest.raises(asyncio.QueueEmpty):
            jobs.get_nowait()
        return [now(), await left, await kept]

    assert asyncio.run(run()) == ["nobody", "nobody", "acme"]


def test_whoever_is_in_an_open_request_or_block_stays_there() -> None:
    """An answer that a request waits for, a connection's own queue, a worker of one tenant."""
    answers: queue.Queue[str] = queue.Queue()
    as_request("globex", lambda: answers.put("an answer"))
    with tenant("acme"):
        answers.get()
        assert now() == "acme"
    as_request("globex", lambda: answers.put("an answer"))
    with system("reindex"):
        answers.get()
        assert attribution_of(capture(None)).initiator == "system"


def test_a_message_that_names_nobody_stays_nobodys_while_it_waits_for_an_answer() -> None:
    answers: queue.Queue[str] = queue.Queue()
    with job({}):
        as_request("globex", lambda: answers.put("an answer"))
        answers.get()
        assert now() == "nobody"
    as_request("globex", lambda: answers.put("an item"))
    answers.get()
    assert now() == "globex"


class _Connection:
    """Is opened and closed."""

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


class _Client:
    """Has nothing that shows what it is."""


@pytest.mark.parametrize("kind", [_Connection, _Client])
def test_what_is_put_back_carries_nobody(kind: type) -> None:
    pool: queue.Queue[Any] = queue.Queue()
    pool.put(kind())
    for name in ("acme", "globex"):
        with tenant(name):
            pool.put(pool.get())
    pool.get()
    assert now() == "nobody"


def test_an_item_that_is_put_twice_is_each_time_for_whoever_put_it() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    for name in PUT_BY:
        as_request(name, lambda: jobs.put(1))
    seen = []
    for _ in PUT_BY:
        jobs.get()
        seen.append(now())
    with pytest.raises(queue.Empty):
        jobs.get_nowait()
    assert [*seen, now()] == [*RIGHT, "nobody"]


def test_whoever_reaches_into_a_queue_gets_what_is_there_and_nobodys_tenant() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    for at in range(3):
        as_request("acme", lambda at=at: jobs.put(at))  # type: ignore[misc]
    assert list(jobs.queue) == [0, 1, 2] and type(jobs.queue).__name__ == "deque"
    jobs.queue.clear()
    as_request("globex", lambda: jobs.put(7))
    jobs.get()
    assert now() == "globex"
    as_request("acme", lambda: jobs.put(8))
    jobs.queue.append(9)
    jobs.queue.rotate(1)
    assert jobs.get() == 9 and now() == "nobody"
    assert jobs.get() == 8 and now() == "nobody"
    as_request("acme", lambda: jobs.put(1))
    jobs.queue[0] = 2
    assert jobs.get() == 2 and now() == "nobody"


@pytest.mark.parametrize("timeout_s", [None, 1])
def test_a_worker_that_waits_for_so_long(timeout_s: float | None) -> None:
    async def run() -> list[str]:
        jobs: asyncio.Queue[int] = asyncio.Queue()
        seen: list[str] = []
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(jobs.get(), 0.001)
        for at, name in enumerate(PUT_BY):
            as_request(name, lambda at=at: jobs.put_nowait(at))  # type: ignore[misc]
            assert await asyncio.wait_for(jobs.get(), timeout=timeout_s) == at
            with detached():  # which nothing of the last one is left for
                seen.append(now())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(jobs.get(), 0.001)
        assert await asyncio.wait_for(asyncio.sleep(0, "other"), 1) == "other"
        return [*seen, now()]

    assert asyncio.run(run()) == [*RIGHT, "nobody"]


def test_a_wait_that_is_thrown_away_from_outside_changes_nothing_there() -> None:
    async def run() -> None:
        jobs: asyncio.Queue[int] = asyncio.Queue()
        waiting = asyncio.wait_for(jobs.get(), None)
        contextvars.copy_context().run(waiting.send, None)
        as_request("acme", lambda: jobs.put_nowait(1))
        with tenant("globex"):
            before = context.get_current()
            waiting.close()
            assert context.get_current() is before

    asyncio.run(run())


def test_a_function_is_work_however_often_it_is_put() -> None:
    jobs: queue.Queue[Callable[[], str]] = queue.Queue()
    seen = []
    for name in PUT_BY:
        as_request(name, lambda: jobs.put(now))
        seen.append(jobs.get()())
    assert seen == RIGHT


def test_a_queue_that_was_filled_before_we_came() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    jobs.queue.append(1)
    as_request("acme", lambda: jobs.put(2))
    jobs.get()
    assert now() == "nobody"
    jobs.get()
    assert now() == "acme"
    jobs.queue.append(3)
    jobs.get()
    assert now() == "nobody"


def test_logging_by_a_queue_and_executors_are_unharmed() -> None:
    records: queue.Queue[Any] = queue.Queue()
    seen: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    logger = logging.Logger("through a queue")
    logger.addHandler(logging.handlers.QueueHandler(records))
    listener = logging.handlers.QueueListener(records, Handler())
    listener.start()
    for name in PUT_BY:
        as_request(name, lambda name=name: logger.warning("%s", name))  # type: ignore[misc]
    listener.stop()
    assert seen == [str(name) for name in PUT_BY]
    with ThreadPoolExecutor(2) as pool, tenant("acme"):
        assert list(pool.map(abs, range(-4, 0))) == [4, 3, 2, 1]


def test_a_queue_keeps_nothing_of_what_was_taken_out() -> None:
    import gc
    import weakref

    jobs: queue.Queue[Any] = queue.Queue()
    item = _Client()
    with tenant("acme"):
        jobs.put(item)
        kept_in = weakref.ref(context.get_current())
    known = weakref.ref(item)
    del item
    jobs.get()
    with pytest.raises(queue.Empty):
        jobs.get_nowait()
    gc.collect()
    assert (known(), kept_in()) == (None, None)


def test_it_can_be_switched_off() -> None:
    carried.configure(local_queues=False)
    try:
        assert list(QueueQueueInstrumentor().patches()) == []
    finally:
        carried.configure(local_queues=True)
