"""aiokafka: a loop, `getone`, or `getmany` with messages of several tenants at once."""

from __future__ import annotations

import os
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.queues.application import EXPECTED, NAME, awork, main, outside, sending

__all__: list[str] = []

_HEADERS = [("mine", b"1")]
_WAY = os.environ.get("QUEUE_WAY", "loop")


async def produce() -> None:
    more: Any = {"transactional_id": NAME} if _WAY == "getmany" else {}
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["QUEUE_ADDRESS"], **more)
    await producer.start()
    if more:
        await _produce_batch(producer)
    else:
        for message in sending():
            await producer.send_and_wait(NAME, message.encode(), headers=_HEADERS)
    assert _HEADERS == [("mine", b"1")]
    await producer.stop()


async def _produce_batch(producer: Any) -> None:
    """Messages of all tenants in one, and in a transaction."""
    batch = producer.create_batch()
    for message in sending():
        batch.append(timestamp=None, key=None, value=message.encode(), headers=_HEADERS)
    async with producer.transaction():
        await (await producer.send_batch(batch, NAME, partition=0))


async def consume() -> None:
    consumer: Any = AIOKafkaConsumer(
        NAME,
        bootstrap_servers=os.environ["QUEUE_ADDRESS"],
        group_id=NAME,
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
