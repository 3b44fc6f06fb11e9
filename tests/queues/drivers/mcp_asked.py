"""What a client of MCP answers while it waits for a tool: alike in MCP 1 and 2."""

from __future__ import annotations

from typing import Any

import mcp.types as types
from pydantic import BaseModel

from tests.queues.application import further

__all__ = ["Answer", "elicit", "sample", "to_sample"]


class Answer(BaseModel):
    """What a user is asked for."""

    yes: bool = True


def to_sample(message: str) -> list[types.SamplingMessage]:
    """What a tool has the client ask a model."""
    content = types.TextContent(type="text", text=message)
    return [types.SamplingMessage(role="user", content=content)]


async def sample(_: Any, params: Any) -> Any:
    """The client asks a model."""
    further(f"{params.messages[0].content.text}/sampled")
    said = types.TextContent(type="text", text="yes")
    return types.CreateMessageResult(role="assistant", content=said, model="m")


async def elicit(_: Any, params: Any) -> Any:
    """The client asks its user."""
    further(f"{params.message}/elicited")
    return types.ElicitResult(action="accept", content={"yes": True})
