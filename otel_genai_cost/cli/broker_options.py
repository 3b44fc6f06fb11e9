"""How a command is told which topic of which broker."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["BrokerOptions"]

BrokerOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="KEY=VALUE of the broker, such as servers=HOST:9092 and topic=NAME; secrets as env:NAME or file:PATH.",
        envvar="OTEL_GENAI_COST_STREAM",
    ),
]
