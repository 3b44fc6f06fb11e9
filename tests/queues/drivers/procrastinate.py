"""procrastinate: tasks of a worker, async and sync, of which some are retried, and a batch of two."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import ConnectorException

from tests.queues.application import awork, finished, further, main, outside, sending, work

__all__: list[str] = []

app = App(connector=PsycopgConnector(conninfo=os.environ["QUEUE_ADDRESS"], max_size=4))
_retry: Any = RetryStrategy(max_attempts=3, wait=0)


@app.task(name="async", retry=_retry)
async def ajob(message: str) -> None:
    await awork(message)


@app.task(name="sync", retry=_retry)
def job(message: str) -> None:
    work(message)


@app.task(name="further")
def one_of_batch(name: str) -> None:
    further(name)


async def produce() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for message in sending():
            await (job if message.endswith("-1") else ajob).defer_async(message=message)
            batch = [{"name": f"{message}/{place}"} for place in ("batch-0", "batch-1")]
            await one_of_batch.batch_defer_async(*batch)


async def consume() -> None:
    async with app.open_async():
        while not finished():
            try:
                await app.run_worker_async(
                    wait=False, concurrency=2, listen_notify=False, install_signal_handlers=False
                )
            except ConnectorException:  # there is no schema yet
                await asyncio.sleep(0.2)
    outside("closed")


if __name__ == "__main__":
    main(produce, consume)
