"""MCP 1 over stdio: one session for all tenants, and a tool that asks the client to sample and to elicit before it
works."""

import os  # without annotations from the future: older releases look at those of a tool
import sys
from pathlib import Path

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.server.fastmcp import Context, FastMCP

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

server = FastMCP("q")


@server.tool()
async def job(message: str, context: Context) -> str:
    await context.session.create_message(to_sample(message), max_tokens=1)
    await context.elicit(message, Answer)
    await awork(message)
    return message


async def produce() -> None:
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    arguments = [sys.executable, "-m", "tests.queues.drivers.mcp_1", "serve"]
    parameters = StdioServerParameters(command=launcher, args=arguments, env=dict(os.environ))
    with tenant("worker"):
        async with (
            stdio_client(parameters) as streams,
            ClientSession(
                *streams, sampling_callback=sample, elicitation_callback=elicit
            ) as session,
        ):
            await session.initialize()
            await session.list_tools()
            outside("opened")
            for message in sending():
                answer = await session.call_tool("job", {"message": message})
                assert not answer.isError, answer
            await until_finished()


def consume() -> None:
    """The client starts the server."""
    wait_until_finished()


async def serve() -> None:
    await server.run_stdio_async()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        sys.argv[1] = "consume"
        main(produce, serve)
    else:
        main(produce, consume)
