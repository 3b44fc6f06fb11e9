"""RQ: a worker that forks for each job; callbacks, jobs that wait for others, and later ones."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from redis import Redis
from rq import Queue, Retry, Worker

from tests.queues.application import finished, further, main, sending, work

__all__: list[str] = []


def _connection() -> Any:
    return Redis.from_url(os.environ["QUEUE_ADDRESS"])


def produce() -> None:
    queue = Queue("q", connection=_connection())
    for message in sending():
        queue.enqueue(work, message, retry=Retry(max=2))
        if message.endswith("-0"):
            _send_composed(queue, message)


def _send_composed(queue: Any, message: str) -> None:
    first = queue.enqueue(further, f"{message}/step", on_success=succeeded)
    queue.enqueue(further, f"{message}/last", depends_on=first)
    queue.enqueue_in(timedelta(seconds=1), further, f"{message}/later")


def succeeded(job: Any, connection: Any, result: Any) -> None:
    further(job.args[0].replace("/step", "/success"))


def consume() -> None:
    while not finished():
        Worker(["q"], connection=_connection()).work(burst=True, with_scheduler=True)


if __name__ == "__main__":
    main(produce, consume)
