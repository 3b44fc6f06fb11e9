"""MCP: one session for all tenants, over stdio or streamable HTTP, and a tool that asks the client to sample and to
elicit before it works."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from opentelemetry import baggage

from otel_genai_cost import tenant
from tests.queues.application import (
    awork,
    main,
    outside,
    sending,
    until_finished,
    wait_until_finished,
)
from tests.queues.drivers.mcp_asked import Answer, elicit, sample, to_sample

__all__: list[str] = []

_IS_HTTP = os.environ["QUEUE_WAY"] == "http"
_URL = f"http://{os.environ['QUEUE_ADDRESS']}"
_PORT = int(_URL.rpartition(":")[2])

server = MCPServer("q")


@server.tool()
async def job(message: str, context: Context) -> str:
    await context.session.create_message(
        to_sample(message), max_tokens=1, related_request_id=context.request_id
    )
    await context.elicit(message, Answer)
    await awork(message)
    return message


def consume() -> None:
    """The server over HTTP; over stdio, the client starts it."""
    if not _IS_HTTP:
        wait_until_finished()
        return
    running = uvicorn.Server(
        uvicorn.Config(server.streamable_http_app(), port=_PORT, log_level="warning")
    )

    def stop() -> None:
        wait_until_finished()
        running.should_exit = True

    threading.Thread(target=stop).start()
    running.run()


async def produce() -> None:
    with tenant("worker"):
        await _ask()


async def _ask() -> None:
    """By a session that was opened in somebody's request."""
    async with AsyncExitStack() as stack:
        transport: Any = _stdio()
        if _IS_HTTP:
            await _up()
            client = await stack.enter_async_context(
                httpx.AsyncClient(event_hooks={"request": [_name_tenant]}, timeout=60)
            )
            transport = streamable_http_client(f"{_URL}/mcp", http_client=client)
        session = await stack.enter_async_context(
            Client(transport, sampling_callback=sample, elicitation_callback=elicit, mode="legacy")
        )
        outside("opened")
        for message in sending():
            answer = await session.call_tool("job", {"message": message})
            assert not answer.is_error, answer
        await until_finished()


def _stdio() -> StdioServerParameters:
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    arguments = [sys.executable, "-m", "tests.queues.drivers.mcp", "serve"]
    return StdioServerParameters(command=launcher, args=arguments, env=dict(os.environ))


async def _name_tenant(request: Any) -> None:
    name = baggage.get_baggage("tenant.id")
    if name:
        request.headers["x-org-id"] = name


async def _up() -> None:
    async with httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"{_URL}/")
                return
            except httpx.ConnectError:
                await asyncio.sleep(0.1)


async def serve() -> None:
    await server.run_stdio_async()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        sys.argv[1] = "consume"
        main(produce, serve)
    else:
        main(produce, consume)
