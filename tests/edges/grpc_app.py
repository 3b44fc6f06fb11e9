"""A gRPC server, `python -m tests.edges.grpc_app sync|aio PORT`: a call within each kind of answer."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

from tests.edges.calls import call

__all__ = ["serve", "serve_aio"]


def _now(request: bytes, _: Any) -> bytes:
    return call(request.decode()).encode()


def _stream(request: bytes, _: Any) -> Iterator[bytes]:
    yield b"1"
    yield call(request.decode()).encode()


async def _anow(request: bytes, _: Any) -> bytes:
    return call(request.decode()).encode()


async def _astream(request: bytes, _: Any) -> AsyncIterator[bytes]:
    yield b"1"
    yield call(request.decode()).encode()


async def _write(request: bytes, context: Any) -> None:
    await context.write(b"1")
    await context.write(call(request.decode()).encode())


def _service(now: Any, **streams: Any) -> Any:
    methods = {name: grpc.unary_stream_rpc_method_handler(one) for name, one in streams.items()}
    methods["now"] = grpc.unary_unary_rpc_method_handler(now)
    return grpc.method_handlers_generic_handler("edges", methods)


def serve(address: str) -> None:
    """With threads."""
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_service(_now, stream=_stream),))
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


async def serve_aio(address: str) -> None:
    """With asyncio; one of its functions is a plain one, which gRPC runs in a thread."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (_service(_anow, stream=_astream, write=_write, thread=_stream),)
    )
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    where = f"127.0.0.1:{sys.argv[2]}"
    if sys.argv[1] == "aio":
        asyncio.run(serve_aio(where))
    else:
        serve(where)
