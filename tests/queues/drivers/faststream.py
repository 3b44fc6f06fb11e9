"""FastStream over Redis or NATS, with its own telemetry or without, by handlers that publish and take batches."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from tests.queues.application import NAME, awork, finished, further, main, outside, sending

__all__: list[str] = []

_WAY = os.environ["QUEUE_WAY"]
_ADDRESS = os.environ["QUEUE_ADDRESS"]
_HEADERS = {"mine": "1"}


def _made() -> Any:
    if _ADDRESS.startswith("nats"):
        from faststream.nats import NatsBroker as Broker
        from faststream.nats.opentelemetry import NatsTelemetryMiddleware as Telemetry
    else:
        from faststream.redis import RedisBroker as Broker
        from faststream.redis.opentelemetry import RedisTelemetryMiddleware as Telemetry
    return Broker(_ADDRESS, middlewares=[Telemetry()] if _WAY == "telemetry" else [])


broker: Any = _made()


def _source(name: str) -> dict[str, Any]:
    return {"list": name} if _ADDRESS.startswith("redis") else {"subject": f"{NAME}-{name}"}


async def handle(message: str) -> str:
    await awork(message)
    return message


async def step(message: str) -> None:
    further(f"{message}/step")


async def produce() -> None:
    async with broker:
        if _ADDRESS.startswith("nats"):
            while not await _answered():
                await asyncio.sleep(0.1)
        for message in sending():
            await broker.publish(message, **_source("q"), headers=_HEADERS)
    assert _HEADERS == {"mine": "1"}


async def _answered() -> bool:
    try:
        await broker.request("", subject=f"{NAME}-ready", timeout=0.5)
    except Exception as error:
        if type(error).__name__ not in ("NoRespondersError", "TimeoutError"):
            raise
        return False
    return True


async def consume() -> None:
    broker.publisher(**_source("steps"))(broker.subscriber(**_source("q"))(handle))
    broker.subscriber(**_source("steps"))(step)
    if _ADDRESS.startswith("nats"):
        broker.subscriber(subject=f"{NAME}-ready")(lambda: "yes")
    async with broker:
        await broker.start()
        while not finished():
            await asyncio.sleep(0.05)
    outside("closed")


if __name__ == "__main__":
    main(produce, consume)
