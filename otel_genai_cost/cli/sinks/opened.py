"""The sinks of a ledger, open: what the commands of the group have in common."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from typing import Annotated, Any, NamedTuple

import typer

from otel_genai_cost.cli.home import Home
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.daemon import writer_lock
from otel_genai_cost.ledger.sink import Rejectable, Rejected, Sink
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import rfc3339

__all__ = [
    "NameArgument",
    "OpenSink",
    "changing",
    "every_sink",
    "rejectable",
    "rejected_record",
    "sink_named",
]

NameArgument = Annotated[str, typer.Argument(help="The sink: see `genai-cost sinks list`.")]


class OpenSink(NamedTuple):
    """A sink, and the ledger that feeds it."""

    name: str
    sink: Sink
    ledger: Ledger


@contextmanager
def every_sink(home: Home) -> Generator[dict[str, Sink], None, None]:
    """Every sink of a ledger by name, DuckDB first, until the end of the block.

    Args:
        home: whose sinks.
    """
    store = home.sink()
    with home.further_sinks() as further:
        yield {**({"duckdb": store} if store else {}), **further}


def sink_named(name: str, sinks: Mapping[str, Sink]) -> Sink:
    """One of them.

    Args:
        name: of it.
        sinks: all there are.

    Raises:
        ConfigurationError: if there is none of that name.
    """
    if name not in sinks:
        raise ConfigurationError(
            "no such sink here",
            value=name,
            remedy=f"use {' or '.join(sinks)}; `genai-cost sinks add` and OTEL_GENAI_COST_SINKS add others",
        )
    return sinks[name]


@contextmanager
def changing(name: str, home: Home) -> Generator[OpenSink, None, None]:
    """A sink, and nobody ships until the end of the block.

    Args:
        name: of it.
        home: whose.

    Raises:
        ConfigurationError: if there is none of that name.
        LedgerLockedError: if somebody ships.
    """
    with every_sink(home) as sinks:
        sink = sink_named(name, sinks)
        with writer_lock(home.folder), closing(home.ledger()) as opened:
            yield OpenSink(name, sink, opened)


def rejectable(found: OpenSink) -> Rejectable:
    """A sink whose receiver may reject an entry.

    Args:
        found: the sink.

    Raises:
        ConfigurationError: if it is none.
    """
    if not isinstance(found.sink, Rejectable):
        raise ConfigurationError("nothing is ever rejected by this sink", value=found.name)
    return found.sink


def rejected_record(one: Rejected) -> dict[str, Any]:
    """An entry that was rejected, as JSON."""
    return {
        "seq": one.seq,
        "event": one.id,
        "message": one.message,
        "at": rfc3339(one.at_us),
        "set_aside": one.is_aside,
    }
