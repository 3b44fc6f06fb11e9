"""Dramatiq: a worker's threads, for an actor and an asynchronous one; pipelines, groups and delays."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO

from tests.queues.application import (
    awork,
    further,
    main,
    sending,
    wait_until_finished,
    work,
)

__all__: list[str] = []

_ASYNC = bool(os.environ.get("QUEUE_ASYNC"))

broker = RedisBroker(url=os.environ["QUEUE_ADDRESS"])
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
actor = dramatiq.actor(awork if _ASYNC else work, actor_name="job", max_retries=3, min_backoff=10)


step = dramatiq.actor(further, actor_name="step")


def produce() -> None:
    for message in sending():
        actor.send(message)
        if message.endswith("-0"):
            _send_composed(message)


def _send_composed(message: str) -> None:
    last = step.message_with_options(args=(f"{message}/last",), pipe_ignore=True)
    dramatiq.pipeline([step.message(f"{message}/step"), last]).run()
    dramatiq.group([step.message(f"{message}/one"), step.message(f"{message}/other")]).run()
    step.send_with_options(args=(f"{message}/later",), delay=300)


def consume() -> None:
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    wait_until_finished()
    worker.stop()


if __name__ == "__main__":
    main(produce, consume)
