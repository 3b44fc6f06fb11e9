"""Dramatiq: a worker's threads, for an actor and an asynchronous one."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO

from tests.queues.application import awork, main, sending, wait_until_finished, work

__all__: list[str] = []

_ASYNC = bool(os.environ.get("QUEUE_ASYNC"))

broker = RedisBroker(url=os.environ["QUEUE_ADDRESS"])
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
actor = dramatiq.actor(awork if _ASYNC else work, actor_name="job", max_retries=3, min_backoff=10)


def produce() -> None:
    for message in sending():
        actor.send(message)


def consume() -> None:
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    wait_until_finished()
    worker.stop()


if __name__ == "__main__":
    main(produce, consume)
