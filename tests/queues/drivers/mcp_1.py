"""MCP 1 over stdio: one session for all tenants, and a tool that asks the client to sample and to elicit before it
works."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import mcp.types as types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.server.fastmcp import Context, FastMCP
from pydantic import BaseModel

from otel_genai_cost import tenant
from tests.queues.application import awork, finished, further, main, outside, sending

__all__: list[str] = []

server = FastMCP("q")


class Answer(BaseModel):
    """What a user is asked for."""

    yes: bool = True


@server.tool()
async def job(message: str, context: Context) -> str:
    asked = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=message))
    await context.session.create_message([asked], max_tokens=1)
    await context.elicit(message, Answer)
    await awork(message)
    return message


async def _sample(_: Any, params: Any) -> Any:
    further(f"{params.messages[0].content.text}/sampled")
    said = types.TextContent(type="text", text="yes")
    return types.CreateMessageResult(role="assistant", content=said, model="m")


async def _elicit(_: Any, params: Any) -> Any:
    further(f"{params.message}/elicited")
    return types.ElicitResult(action="accept", content={"yes": True})


async def produce() -> None:
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    arguments = [sys.executable, "-m", "tests.queues.drivers.mcp_1", "serve"]
    parameters = StdioServerParameters(command=launcher, args=arguments, env=dict(os.environ))
    with tenant("worker"):
        async with (
            stdio_client(parameters) as streams,
            ClientSession(
                *streams, sampling_callback=_sample, elicitation_callback=_elicit
            ) as session,
        ):
            await session.initialize()
            await session.list_tools()
            outside("opened")
            for message in sending():
                answer = await session.call_tool("job", {"message": message})
                assert not answer.isError, answer


def consume() -> None:
    """The client starts the server."""
    while not finished():
        time.sleep(0.1)


async def serve() -> None:
    await server.run_stdio_async()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        sys.argv[1] = "consume"
        main(produce, serve)
    else:
        main(produce, consume)
