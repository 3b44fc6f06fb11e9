"""taskiq: tasks of a receiver, async and sync, of which some are retried; one that is scheduled for once, and one for
again and again."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timezone

from taskiq import ScheduleSource, SimpleRetryMiddleware, TaskiqScheduler
from taskiq.api import run_receiver_task
from taskiq.kicker import AsyncKicker
from taskiq.scheduler.scheduled_task import ScheduledTask
from taskiq_redis import ListQueueBroker

from tests.queues.application import (
    awork,
    further,
    main,
    outside,
    sending,
    until_finished,
    work,
)

__all__: list[str] = []

broker = ListQueueBroker(os.environ["QUEUE_ADDRESS"]).with_middlewares(SimpleRetryMiddleware())


@broker.task(task_name="async", retry_on_error=True, max_retries=3)
async def ajob(message: str) -> None:
    await awork(message)


@broker.task(task_name="sync")
def job(message: str) -> None:
    work(message)


@broker.task(task_name="further")
async def step(name: str) -> None:
    further(name)


class Source(ScheduleSource):
    """What is scheduled is due at once."""

    def __init__(self) -> None:
        self.due: list[ScheduledTask] = []

    async def get_schedules(self) -> list[ScheduledTask]:
        return self.due

    async def add_schedule(self, schedule: ScheduledTask) -> None:
        self.due.append(schedule)


async def produce() -> None:
    await broker.startup()
    source = Source()
    for message in sending():
        await (job if message.endswith("-1") else ajob).kiq(message)
        kicker = AsyncKicker("further", broker, {})
        await kicker.schedule_by_time(source, datetime.now(timezone.utc), f"{message}/once")
        if message.startswith("acme"):
            await kicker.schedule_by_cron(source, "* * * * *", f"none-{message}/cron")
    scheduler = TaskiqScheduler(broker, [source])
    for scheduled in source.due:
        await scheduler.on_ready(source, scheduled)
    await broker.shutdown()


async def consume() -> None:
    receiver = asyncio.create_task(run_receiver_task(broker, run_startup=True))
    await until_finished()
    receiver.cancel()
    await asyncio.gather(receiver, return_exceptions=True)
    await broker.shutdown()
    outside("closed")


if __name__ == "__main__":
    main(produce, consume)
