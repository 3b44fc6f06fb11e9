"""aiokafka: a loop, `getone`, or `getmany` with messages of several tenants at once."""

from __future__ import annotations

import os
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.queues.application import EXPECTED, awork, main, outside, sending

__all__: list[str] = []

_HEADERS = [("mine", b"1")]
_WAY = os.environ.get("QUEUE_WAY", "loop")


async def produce() -> None:
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["QUEUE_ADDRESS"])
    await producer.start()
    for message in sending():
        await producer.send_and_wait("q", message.encode(), headers=_HEADERS)
    assert _HEADERS == [("mine", b"1")]
    await producer.stop()


async def consume() -> None:
    consumer: Any = AIOKafkaConsumer(
        "q",
        bootstrap_servers=os.environ["QUEUE_ADDRESS"],
        group_id="g",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    await {"loop": _loop, "getone": _getone, "getmany": _getmany}[_WAY](consumer)
    await consumer.stop()
    outside("closed")


async def _loop(consumer: Any) -> None:
    worked = 0
    async for record in consumer:
        await awork(record.value.decode())
        worked += 1
        if worked == EXPECTED:
            break


async def _getone(consumer: Any) -> None:
    for _ in range(EXPECTED):
        await awork((await consumer.getone()).value.decode())


async def _getmany(consumer: Any) -> None:
    worked = 0
    while worked < EXPECTED:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in records:
                await awork(record.value.decode())
                worked += 1
            outside(f"batch-{worked}")


if __name__ == "__main__":
    main(produce, consume)
