"""`sinks list`: how far each copy of the ledger is, and what receivers rejected."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.cli.sinks.opened import every_sink, rejected_record
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.sink import Rejectable, Rejected, Sink, fed_seq
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["records_of", "register"]

_COLUMNS = ("sink", "seq", "last_seq", "behind", "rejected")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="list")(_list)


def _list(ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """How far each sink is; exit code 1 if an entry was rejected, or a sink cannot be asked."""
    found = records_of(Home.to_read(ledger))
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, [*map(_cells, found)], right=frozenset(_COLUMNS[1:]))
        for one in found:
            for row in one["rejected"]:
                note(f"{one['sink']}: entry {row['seq']} was rejected: {row['message']}")
            if one["error"] is not None:
                note(f"{one['sink']}: {one['error']}")
    if any(one["rejected"] or one["error"] is not None for one in found):
        raise typer.Exit(1)


def _cells(one: Mapping[str, Any]) -> list[str]:
    """Of a line of the table; how far a sink is that cannot be asked is not known."""
    values = (len(one[key]) if key == "rejected" else one[key] for key in _COLUMNS)
    return ["?" if value is None else str(value) for value in values]


def records_of(home: Home) -> list[dict[str, Any]]:
    """How far each sink is, as JSON. Of one that cannot be asked, `error` says why.

    Args:
        home: whose sinks.
    """
    with closing(home.ledger()) as opened, every_sink(home) as sinks:
        return [_record(name, sink, opened) for name, sink in sinks.items()]


def _record(name: str, sink: Sink, ledger: Ledger) -> dict[str, Any]:
    last = ledger.entries.last_seq()
    seq, rejected, error = None, list[Rejected](), None
    try:
        seq = fed_seq(ledger, sink)
        rejected = sink.rejected() if isinstance(sink, Rejectable) else []
    except (GenAICostError, OSError, RuntimeError) as raised:
        error = " | ".join(str(raised).splitlines())
    return {
        "sink": name,
        "seq": seq,
        "last_seq": last,
        "behind": None if seq is None else last - seq,
        "rejected": [rejected_record(one) for one in rejected],
        "error": error,
    }
