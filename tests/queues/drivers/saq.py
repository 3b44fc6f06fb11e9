"""SAQ: jobs as tasks of one loop, of which some are retried."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from saq import Queue
from saq.worker import Worker

from tests.queues.application import awork, finished, main, outside, sending, work

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "async")


async def ajob(_: Any, *, message: str) -> None:
    await awork(message)


def job(_: Any, *, message: str) -> None:
    work(message)


async def produce() -> None:
    queue = Queue.from_url(os.environ["QUEUE_ADDRESS"])
    for message in sending():
        name = "ajob" if _WAY == "async" else "job"
        await queue.enqueue(name, message=message, retries=2, retry_delay=0.1, timeout=60)
    await queue.disconnect()


async def consume() -> None:
    queue = Queue.from_url(os.environ["QUEUE_ADDRESS"])
    worker = Worker(queue, [ajob, job], concurrency=2, timers={"schedule": 1})
    running = asyncio.create_task(worker.start())
    while not finished():
        await asyncio.sleep(0.1)
    await worker.stop()
    await running
    await queue.disconnect()
    outside("closed")


if __name__ == "__main__":
    main(produce, consume)
