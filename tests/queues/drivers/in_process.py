"""What stays inside an application: queues, schedulers, greenlets, processes and pools of them. One process sends and
works; what serves everybody was started when nobody was there."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from tests.queues.application import (
    EXPECTED,
    awork,
    main,
    outside,
    sending,
    until_finished,
    wait_until_done,
    wait_until_finished,
    work,
)

__all__: list[str] = []


def _by_queue() -> None:
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_serve, args=(jobs.get,)).start()
    for message in sending():
        jobs.put(message)
    wait_until_finished()


def _serve(get: Callable[[], str]) -> None:
    for _ in range(EXPECTED):
        work(get())


async def _by_asyncio_queue() -> None:
    jobs: asyncio.Queue[str] = asyncio.Queue(1)
    serving = asyncio.create_task(_aserve(lambda: asyncio.wait_for(jobs.get(), 30)))
    for message in sending():
        await jobs.put(message)
    await serving


async def _by_janus() -> None:
    import janus

    jobs: Any = janus.Queue()
    serving = asyncio.create_task(_aserve(jobs.async_q.get))
    for message in sending():
        await asyncio.to_thread(jobs.sync_q.put, message)
    await serving
    await jobs.aclose()


async def _by_anyio() -> None:
    import anyio

    send, receive = anyio.create_memory_object_stream[str](2)
    with send, receive:
        async with anyio.create_task_group() as group:
            group.start_soon(_aserve, receive.receive)
            for message in sending():
                await send.send(message)


async def _aserve(get: Callable[[], Awaitable[str]]) -> None:
    for _ in range(EXPECTED):
        await awork(await get())


def _by_scheduler() -> None:
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler: Any = BackgroundScheduler(timezone="UTC")
    scheduler.start()
    scheduler.add_job(outside, "interval", seconds=0.2, args=["recurs"])
    for message in sending():
        scheduler.add_job(work, args=[message])
    wait_until_finished()
    scheduler.shutdown()


async def _by_scheduler_of_a_loop() -> None:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    scheduler: Any = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    for message in sending():
        scheduler.add_job(awork, args=[message])
    await until_finished()
    scheduler.shutdown()


def _by_greenlets() -> None:
    import gevent

    for message in sending():
        gevent.spawn(work, message).join()
    wait_until_finished()


def _by_process() -> None:
    """Each goes on when its request has ended, for what it left running."""
    kind = multiprocessing.get_context("fork")
    for at, message in enumerate(sending(), 1):
        kind.Process(target=work, args=(message,)).start()
        wait_until_done(at)


def _by_pool() -> None:
    kind = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=kind) as pool:
        futures = [pool.submit(work, message) for message in sending()]
        for future in futures:
            future.result()
        wait_until_finished()


def _by_callback() -> None:
    """On a thread that the first request has started, and that serves everybody."""
    with ThreadPoolExecutor(1) as pool:
        for message in sending():
            begun: Future[None] = Future()
            future = pool.submit(begun.result)
            future.add_done_callback(lambda _, message=message: work(message))
            begun.set_result(None)
            pool.submit(int).result()


_WAYS: dict[str, Callable[[], object]] = {
    "queue": _by_queue,
    "asyncio": _by_asyncio_queue,
    "janus": _by_janus,
    "anyio": _by_anyio,
    "scheduler": _by_scheduler,
    "scheduler-loop": _by_scheduler_of_a_loop,
    "greenlets": _by_greenlets,
    "process": _by_process,
    "pool": _by_pool,
    "callback": _by_callback,
}


if __name__ == "__main__":
    main(_WAYS[os.environ["QUEUE_WAY"]], wait_until_finished)
