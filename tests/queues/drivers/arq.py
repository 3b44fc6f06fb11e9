"""arq: jobs as tasks of one loop, of which some are retried."""

from __future__ import annotations

import os
from typing import Any

from arq import Retry, create_pool
from arq.connections import RedisSettings
from arq.worker import Worker

from tests.queues.application import Failed, awork, finished, main, outside, sending

__all__: list[str] = []

_SETTINGS = RedisSettings.from_dsn(os.environ["QUEUE_ADDRESS"])


async def job(_: Any, message: str) -> None:
    try:
        await awork(message)
    except Failed:
        raise Retry(defer=0.1) from None


async def produce() -> None:
    pool = await create_pool(_SETTINGS)
    for message in sending():
        await pool.enqueue_job("job", message)


async def consume() -> None:
    while not finished():
        worker = Worker([job], redis_settings=_SETTINGS, burst=True, poll_delay=0.05)
        await worker.async_run()
        await worker.close()
    outside("closed")


if __name__ == "__main__":
    main(produce, consume)
