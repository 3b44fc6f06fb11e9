"""gRPC, sync and aio: a call for each message, or a stream of answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from tests.queues.application import (
    awork,
    finished,
    main,
    outside,
    sending,
    wait_until_finished,
    work,
)

__all__: list[str] = []

_ADDRESS = os.environ["QUEUE_ADDRESS"]


def _handlers(unary: Any, stream: Any) -> tuple[Any]:
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
    }
    return (grpc.method_handlers_generic_handler("q.Q", methods),)


def _unary(request: bytes, _: Any) -> bytes:
    work(request.decode())
    return request


def _stream(request: bytes, _: Any) -> Iterator[bytes]:
    yield b"begun"
    work(request.decode())
    yield request


async def _aunary(request: bytes, _: Any) -> bytes:
    await awork(request.decode())
    return request


async def _astream(request: bytes, _: Any) -> AsyncIterator[bytes]:
    yield b"begun"
    await awork(request.decode())
    yield request


def produce() -> None:
    with grpc.insecure_channel(_ADDRESS) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        for message in sending():
            if message.endswith("-1"):
                assert len([*channel.unary_stream("/q.Q/Stream")(message.encode())]) == 2
            else:
                channel.unary_unary("/q.Q/Unary")(message.encode())


async def aproduce() -> None:
    async with grpc.aio.insecure_channel(_ADDRESS) as channel:
        await channel.channel_ready()
        for message in sending():
            if message.endswith("-1"):
                stream = channel.unary_stream("/q.Q/Stream")(message.encode())
                assert len([answer async for answer in stream]) == 2
            else:
                await channel.unary_unary("/q.Q/Unary")(message.encode())


def consume() -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(_handlers(_unary, _stream))
    server.add_insecure_port(_ADDRESS)
    server.start()
    wait_until_finished()
    server.stop(1).wait()
    outside("stopped")


async def aconsume() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(_handlers(_aunary, _astream))
    server.add_insecure_port(_ADDRESS)
    await server.start()
    while not finished():
        await asyncio.sleep(0.05)
    await server.stop(1)
    outside("stopped")


if __name__ == "__main__":
    if os.environ["QUEUE_WAY"] == "aio":
        main(aproduce, aconsume)
    else:
        main(produce, consume)
