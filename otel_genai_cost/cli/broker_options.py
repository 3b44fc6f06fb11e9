"""How a command is told which topic of which broker."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

__all__ = ["BrokerOptions", "this_node"]

BrokerOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="KEY=VALUE of the broker, such as servers=HOST:9092 and topic=NAME; secrets as env:NAME or file:PATH.",
        envvar="OTEL_GENAI_COST_STREAM",
    ),
]


def this_node() -> str:
    """The source of what this machine sends, as `ce_source` says it."""
    return f"/nodes/{socket.gethostname()}"
