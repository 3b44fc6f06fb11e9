"""huey: a consumer's threads, with a schedule and a pipeline."""

from __future__ import annotations

import os

from huey import RedisHuey, crontab
from huey.consumer import Consumer

from tests.queues.application import further, main, sending, wait_until_finished, work

__all__: list[str] = []

queue = RedisHuey("q", url=os.environ["QUEUE_ADDRESS"], results=False)


@queue.task(retries=1, retry_delay=1)
def job(message: str) -> str:
    work(message)
    return message


@queue.task()
def step(_: object, message: str) -> None:
    further(f"{message}/step")


@queue.periodic_task(crontab())
def cron() -> None:
    further("none-cron/body")


def produce() -> None:
    for message in sending():
        queue.enqueue(job.s(message).then(step, message))


def consume() -> None:
    consumer = Consumer(queue, workers=2, initial_delay=0.05, max_delay=0.1)
    consumer.start()
    wait_until_finished()
    consumer.stop(graceful=True)


if __name__ == "__main__":
    main(produce, consume)
