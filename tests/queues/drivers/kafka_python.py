"""kafka-python: a loop, `next`, or `poll` with messages of several tenants at once."""

from __future__ import annotations

import os
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from tests.queues.application import EXPECTED, NAME, main, outside, sending, work

__all__: list[str] = []

_HEADERS = [("mine", b"1")]
_WAY = os.environ.get("QUEUE_WAY", "loop")


def produce() -> None:
    has_transactions = hasattr(KafkaProducer, "begin_transaction")
    more = {"transactional_id": NAME} if _WAY == "poll" and has_transactions else {}
    producer = KafkaProducer(bootstrap_servers=os.environ["QUEUE_ADDRESS"], **more)
    if more:
        producer.init_transactions()
        producer.begin_transaction()
    for message in sending():
        producer.send(NAME, message.encode(), headers=_HEADERS).get(30)
    if more:
        producer.commit_transaction()
    assert _HEADERS == [("mine", b"1")]
    producer.close()


def consume() -> None:
    consumer: Any = KafkaConsumer(
        NAME,
        bootstrap_servers=os.environ["QUEUE_ADDRESS"],
        group_id=NAME,
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    {"loop": _loop, "next": _next, "poll": _poll}[_WAY](consumer)
    consumer.close()
    outside("closed")


def _loop(consumer: Any) -> None:
    for at, record in enumerate(consumer, 1):
        work(record.value.decode())
        if at == EXPECTED:
            break


def _next(consumer: Any) -> None:
    for _ in range(EXPECTED):
        work(next(consumer).value.decode())


def _poll(consumer: Any) -> None:
    worked = 0
    while worked < EXPECTED:
        for records in consumer.poll(timeout_ms=1_000).values():
            for record in records:
                work(record.value.decode())
                worked += 1
            outside(f"batch-{worked}")


if __name__ == "__main__":
    main(produce, consume)
