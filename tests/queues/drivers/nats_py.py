"""nats-py: a callback, a loop, `next_msg`; of JetStream a callback, and `fetch` with messages of several tenants."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import nats

from tests.queues.application import EXPECTED, NAME, awork, finished, main, outside, sending

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "callback")
_IS_STREAM = _WAY in ("fetch", "pushed")


async def _connected() -> Any:
    return await nats.connect(os.environ["QUEUE_ADDRESS"])


async def produce() -> None:
    """Core NATS keeps nothing: the worker answers each message, and is asked until it is there."""
    client = await _connected()
    if _IS_STREAM:
        stream = client.jetstream()
        await stream.add_stream(name=NAME, subjects=[NAME])
        for message in sending():
            await stream.publish(NAME, message.encode())
    else:
        while not await _answered(client, b"ready"):
            await asyncio.sleep(0.1)
        for message in sending():
            await client.publish(NAME, message.encode(), headers={"mine": "1"})
        await client.flush()
    await client.close()


async def _answered(client: Any, data: bytes) -> bool:
    try:
        await client.request(f"{NAME}-ready", data, timeout=0.5)
    except (nats.errors.NoRespondersError, nats.errors.TimeoutError):
        return False
    return True


async def consume() -> None:
    client = await _connected()

    async def ready(message: Any) -> None:
        await message.respond(b"yes")

    way = {"callback": _callback, "loop": _loop, "next": _next, "pushed": _pushed, "fetch": _fetch}
    await way[_WAY](client, ready)
    await client.drain()
    outside("closed")


async def _work(message: Any) -> None:
    await awork(message.data.decode())


async def _callback(client: Any, ready: Any) -> None:
    await client.subscribe(NAME, cb=_work)
    await client.subscribe(f"{NAME}-ready", cb=ready)
    while not finished():
        await asyncio.sleep(0.05)


async def _loop(client: Any, ready: Any) -> None:
    subscription = await client.subscribe(NAME)
    await client.subscribe(f"{NAME}-ready", cb=ready)
    worked = 0
    async for message in subscription.messages:
        await _work(message)
        worked += 1
        if worked == EXPECTED:
            break
    await subscription.unsubscribe()
    outside("unsubscribed")


async def _next(client: Any, ready: Any) -> None:
    subscription = await client.subscribe(NAME)
    await client.subscribe(f"{NAME}-ready", cb=ready)
    for _ in range(EXPECTED):
        await _work(await subscription.next_msg(timeout=30))
    await subscription.unsubscribe()


async def _stream(client: Any) -> Any:
    stream = client.jetstream()
    while True:
        try:
            await stream.stream_info(NAME)
        except nats.js.errors.NotFoundError:
            await asyncio.sleep(0.1)
        else:
            return stream


async def _pushed(client: Any, _: Any) -> None:
    stream = await _stream(client)
    await stream.subscribe(NAME, cb=_work, durable="d")
    while not finished():
        await asyncio.sleep(0.05)


async def _fetch(client: Any, _: Any) -> None:
    subscription = await (await _stream(client)).pull_subscribe(NAME, durable="d")
    worked = 0
    while worked < EXPECTED:
        for message in await subscription.fetch(4, timeout=5):
            await _work(message)
            await message.ack()
            worked += 1
        outside(f"batch-{worked}")
    await subscription.unsubscribe()


if __name__ == "__main__":
    main(produce, consume)
