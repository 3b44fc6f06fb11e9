"""How a command reaches what workers keep."""

from __future__ import annotations

import time
from typing import Annotated, cast

import typer

from otel_genai_cost.plug_ins import plug_in
from otel_genai_cost.settings import value_at
from otel_genai_cost.streaming.partition_store import STORES, PartitionStore

__all__ = ["NameOption", "StateOption", "now_us", "opened_store"]

StateOption = Annotated[
    str,
    typer.Option(
        "--state",
        help="Where state is kept: redis://HOST:PORT/DB, or env:NAME or file:PATH that says so.",
        envvar="OTEL_GENAI_COST_WORKER_STATE",
    ),
]
NameOption = Annotated[
    str, typer.Option("--name", help="Of the group: workers of one name share their work.")
]


def now_us() -> int:
    """The time, in unix microseconds."""
    return time.time_ns() // 1000


def opened_store(state: str, name: str) -> PartitionStore:
    """What workers of a name keep.

    Args:
        state: where, as `--state` says it.
        name: of the group.

    Raises:
        ConfigurationError: if it is no such place.
        GenAICostError: if it does not answer.
        MissingExtraError: if its library is not installed.
    """
    address = value_at(state, "--state")
    kind = plug_in(STORES, address.partition(":")[0], "store of workers' state")
    return cast("PartitionStore", kind(address, name))
