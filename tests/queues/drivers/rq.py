"""RQ: a worker that forks for each job."""

from __future__ import annotations

import os
from typing import Any

from redis import Redis
from rq import Queue, Retry, Worker

from tests.queues.application import finished, main, sending, work

__all__: list[str] = []


def _connection() -> Any:
    return Redis.from_url(os.environ["QUEUE_ADDRESS"])


def produce() -> None:
    queue = Queue("q", connection=_connection())
    for message in sending():
        queue.enqueue(work, message, retry=Retry(max=2))


def consume() -> None:
    while not finished():
        Worker(["q"], connection=_connection()).work(burst=True)


if __name__ == "__main__":
    main(produce, consume)
