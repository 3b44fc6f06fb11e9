"""confluent-kafka: `poll`, or `consume` with messages of several tenants at once, by each kind of consumer."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import confluent_kafka
from confluent_kafka import DeserializingConsumer

from tests.queues.application import EXPECTED, awork, main, outside, sending, work

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "poll")
_SETTINGS = {
    "bootstrap.servers": os.environ["QUEUE_ADDRESS"],
    "group.id": "g",
    "auto.offset.reset": "earliest",
}
_HEADERS: tuple[Any, ...] = (None, [("mine", b"1")], {"mine": "1"})


def produce() -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["QUEUE_ADDRESS"]})
    untraced = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    for at, message in enumerate(sending()):
        # Upstream's own takes none but pairs, and as a keyword.
        headers = _HEADERS[at % (3 if untraced else 2)]
        more = {} if headers is None else {"headers": headers}
        producer.produce("q", message.encode(), **more)
    producer.flush(30)


def consume() -> Any:
    if _WAY == "asyncio":
        return _asyncio()
    kind = DeserializingConsumer if _WAY == "deserializing" else confluent_kafka.Consumer
    consumer: Any = kind(_SETTINGS)
    assert isinstance(consumer, confluent_kafka.cimpl.Consumer)
    consumer.subscribe(["q"])
    (_consume if _WAY == "consume" else _poll)(consumer)
    consumer.close()
    outside("closed")
    return None


def _poll(consumer: Any) -> None:
    worked = 0
    while worked < EXPECTED:
        message = consumer.poll(1)
        if message is None or message.error():
            outside(f"waiting-{worked}")
            continue
        work(message.value().decode())
        worked += 1


def _consume(consumer: Any) -> None:
    worked = 0
    while worked < EXPECTED:
        for message in consumer.consume(10, 1):
            if not message.error():
                work(message.value().decode())
                worked += 1
        outside(f"batch-{worked}")


async def _asyncio() -> None:
    from confluent_kafka.aio import AIOConsumer

    consumer = AIOConsumer(_SETTINGS, max_workers=2)
    await consumer.subscribe(["q"])
    worked = 0
    while worked < EXPECTED // 2:
        message = await consumer.poll(1)
        if message is not None and not message.error():
            await awork(message.value().decode())
            worked += 1
    while worked < EXPECTED:
        for message in await consumer.consume(10, 1):
            if not message.error():
                await awork(message.value().decode())
                worked += 1
        outside(f"batch-{worked}")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(consumer.executor, outside, f"thread-{worked}")
    await consumer.close()


if __name__ == "__main__":
    main(produce, consume)
