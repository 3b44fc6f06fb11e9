"""aio-pika: a callback, a loop over the queue, or `get`."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import aio_pika

from tests.queues.application import EXPECTED, NAME, awork, finished, main, outside, sending

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "callback")


async def _queue() -> tuple[Any, Any, Any]:
    connect = aio_pika.connect if os.environ.get("QUEUE_NOT_ROBUST") else aio_pika.connect_robust
    connection: Any = await connect(os.environ["QUEUE_ADDRESS"])
    channel = await connection.channel()
    return connection, channel, await channel.declare_queue(NAME)


async def produce() -> None:
    connection, channel, _ = await _queue()
    for message in sending():
        await channel.default_exchange.publish(
            aio_pika.Message(message.encode(), headers={"mine": 1}), routing_key=NAME
        )
    await connection.close()


async def consume() -> None:
    connection, _, queue = await _queue()
    await {"callback": _callback, "loop": _loop, "get": _get}[_WAY](queue)
    await connection.close()


async def _callback(queue: Any) -> None:
    async def on_message(message: Any) -> None:
        async with message.process():
            await awork(message.body.decode())

    await queue.consume(on_message)
    while not finished():
        await asyncio.sleep(0.05)
    outside("ended")


async def _loop(queue: Any) -> None:
    worked = 0
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():
                await awork(message.body.decode())
            worked += 1
            if worked == EXPECTED:
                break
    outside("ended")


async def _get(queue: Any) -> None:
    worked = 0
    while worked < EXPECTED:
        message = await queue.get(fail=False)
        if message is None:
            outside("waiting")
            await asyncio.sleep(0.05)
            continue
        await awork(message.body.decode())
        await message.ack()
        worked += 1
    assert await queue.get(fail=False) is None
    outside("ended")


if __name__ == "__main__":
    main(produce, consume)
