"""confluent-kafka: `poll`, or `consume` with messages of several tenants at once, by each kind of consumer."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import DeserializingConsumer
from confluent_kafka.error import ConsumeError

from tests.queues.application import EXPECTED, NAME, awork, main, outside, sending, work

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "poll")
_SHARED = Path(os.environ["QUEUE_FOLDER"]) / "shared"
_SETTINGS = {
    "bootstrap.servers": os.environ["QUEUE_ADDRESS"],
    "group.id": NAME,
    "auto.offset.reset": "earliest",
}
_HEADERS: tuple[Any, ...] = (None, [("mine", b"1")], {"mine": "1"})


def produce() -> Any:
    if _WAY == "headless":
        return _produce_without_headers()
    if _WAY == "share":
        _until_shared()
    where = {"bootstrap.servers": os.environ["QUEUE_ADDRESS"]}
    is_transaction = _WAY == "consume"
    producer = confluent_kafka.Producer(
        {**where, "transactional.id": NAME} if is_transaction else where
    )
    if is_transaction:
        producer.init_transactions(30)
        producer.begin_transaction()
    untraced = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    for at, message in enumerate(sending()):
        # Upstream's own takes none but pairs, and as a keyword.
        headers = _HEADERS[at % (3 if untraced else 2)]
        more = {} if headers is None else {"headers": headers}
        producer.produce(NAME, message.encode(), **more)
    if is_transaction:
        producer.commit_transaction(30)
    producer.flush(30)
    return None


async def _produce_without_headers() -> None:
    from confluent_kafka.aio import AIOProducer

    where = {"bootstrap.servers": os.environ["QUEUE_ADDRESS"]}
    batches, single = confluent_kafka.Producer(where), AIOProducer(dict(where))
    for at, message in enumerate(sending()):
        if at % 2:
            await (await single.produce(NAME, message.encode()))
        else:
            batches.produce_batch(NAME, [{"value": message.encode()}])
    batches.flush(30)
    await single.close()


def consume() -> Any:
    if _WAY == "asyncio":
        return _asyncio()
    if _WAY == "share":
        return _share()
    kind = DeserializingConsumer if _WAY == "deserializing" else confluent_kafka.Consumer
    consumer: Any = kind(_SETTINGS)
    assert isinstance(consumer, confluent_kafka.cimpl.Consumer)
    consumer.subscribe([NAME])
    (_consume if _WAY == "consume" else _poll)(consumer)
    consumer.close()
    outside("closed")
    return None


def _poll(consumer: Any) -> None:
    worked = 0
    while worked < EXPECTED:
        try:
            message = consumer.poll(1)
        except ConsumeError:  # there is no topic yet
            continue
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


def _until_shared() -> None:
    while not _SHARED.exists():
        time.sleep(0.1)


def _share() -> None:
    where = {"bootstrap.servers": os.environ["QUEUE_ADDRESS"]}
    asking = confluent_kafka.Producer(where)
    asking.produce(NAME, b"")  # which makes the topic
    asking.flush(30)
    consumer = confluent_kafka.ShareConsumer({**where, "group.id": NAME})
    consumer.subscribe([NAME])
    found: list[Any] = []
    while not found:  # a new group is given what comes from now on
        asking.produce(NAME, b"")
        asking.flush(30)
        found = [one for one in consumer.poll(1) if not one.error()]
    _SHARED.touch()
    worked = 0
    while worked < EXPECTED:
        for message in consumer.poll(1):
            if not message.error() and message.value():
                work(message.value().decode())
                worked += 1
        outside(f"batch-{worked}")
    consumer.close()
    outside("closed")


async def _asyncio() -> None:
    from confluent_kafka.aio import AIOConsumer

    consumer = AIOConsumer(_SETTINGS, max_workers=2)
    await consumer.subscribe([NAME])
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
