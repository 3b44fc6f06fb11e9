"""remoulade: a worker's threads, with retries and a pipeline."""

from __future__ import annotations

import os

import remoulade
from remoulade.brokers.rabbitmq import RabbitmqBroker
from remoulade.composition import pipeline

from tests.queues.application import NAME, further, main, sending, wait_until_finished, work

__all__: list[str] = []

broker = RabbitmqBroker(url=os.environ["QUEUE_ADDRESS"])
remoulade.set_broker(broker)


@remoulade.actor(max_retries=3, min_backoff=10, queue_name=NAME)
def job(message: str) -> str:
    work(message)
    return message


@remoulade.actor(queue_name=NAME)
def step(message: str) -> None:
    further(f"{message}/step")


broker.declare_actor(job)
broker.declare_actor(step)


def produce() -> None:
    for message in sending():
        pipeline([job.message(message), step.message()]).run()


def consume() -> None:
    worker = remoulade.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    wait_until_finished()
    worker.stop()


if __name__ == "__main__":
    main(produce, consume)
