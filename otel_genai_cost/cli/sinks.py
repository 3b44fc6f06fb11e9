"""`sinks`: how far each copy of the ledger is, and what to do where a receiver rejects an entry."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Annotated, Any, NamedTuple

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table, say
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.daemon import writer_lock
from otel_genai_cost.ledger.sink import Rejectable, Rejected, Sink, fed_seq
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["records_of", "register"]

_COLUMNS = ("sink", "seq", "last_seq", "behind", "rejected")
NameArgument = Annotated[str, typer.Argument(help="The sink: see `genai-cost sinks list`.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Where the ledger's entries are copied to.", no_args_is_help=True)
    group.command(name="list")(_list)
    group.command(name="set-aside")(_set_aside)
    group.command(name="requeue")(_requeue)
    group.command(name="refill")(_refill)
    app.add_typer(group, name="sinks")


def _list(ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """How far each sink is; exit code 1 if an entry was rejected."""
    found = records_of(Home.to_read(ledger))
    if as_json:
        print_json(found)
    else:
        rows = [
            [str(len(one[key]) if key == "rejected" else one[key]) for key in _COLUMNS]
            for one in found
        ]
        print_table(_COLUMNS, rows, right=frozenset(_COLUMNS[1:]))
        for one in found:
            for row in one["rejected"]:
                note(f"{one['sink']}: entry {row['seq']} was rejected: {row['message']}")
    if any(one["rejected"] for one in found):
        raise typer.Exit(1)


def records_of(home: Home) -> list[dict[str, Any]]:
    """How far each sink is, as JSON.

    Args:
        home: whose sinks.
    """
    with closing(home.ledger()) as opened, _sinks(home) as sinks:
        return [_record(name, sink, opened) for name, sink in sinks.items()]


def _record(name: str, sink: Sink, ledger: Ledger) -> dict[str, Any]:
    seq, last = fed_seq(ledger, sink), ledger.entries.last_seq()
    rejected = sink.rejected() if isinstance(sink, Rejectable) else []
    return {
        "sink": name,
        "seq": seq,
        "last_seq": last,
        "behind": last - seq,
        "rejected": [_rejected_record(one) for one in rejected],
    }


def _rejected_record(one: Rejected) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "event": one.id,
        "message": one.message,
        "at": rfc3339(one.at_us),
        "set_aside": one.is_aside,
    }


def _set_aside(name: NameArgument, ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Go past the entry that the receiver rejects, so that those behind it are sent. It is kept, to be sent again."""
    with _changing(name, Home.to_read(ledger)) as found:
        one = _rejectable(found).set_aside(found.ledger.id)
    if one is None:
        note(f"{name} stands before no entry that was rejected")
        raise typer.Exit(1)
    if as_json:
        print_json([{"sink": name, **_rejected_record(one._replace(is_aside=True))}])
        return
    say(
        f"entry {one.seq} (event {one.id}) is set aside; `genai-cost sinks requeue {name}` sends it again"
    )


def _requeue(name: NameArgument, ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Send again what was set aside; exit code 1 if some of it is not taken."""
    refused: dict[int, str] = {}
    with _changing(name, Home.to_read(ledger)) as found:
        sink = _rejectable(found)
        aside = [one.seq for one in sink.rejected() if one.is_aside]
        for seq in aside:
            for entry in found.ledger.entries.since(seq - 1, 1):
                if why := sink.send_again(found.ledger.id, entry):
                    refused[seq] = why
    for seq, why in refused.items():
        note(f"entry {seq} is still not taken: {why}")
    taken = len(aside) - len(refused)
    if as_json:
        print_json([{"sink": name, "taken": taken, "rejected": list(refused)}])
    else:
        say(f"{taken} of {len(aside)} entries taken")
    if refused:
        raise typer.Exit(1)


def _refill(name: NameArgument, ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Have the next `genai-cost ship` give a sink every entry again, with the same ids."""
    with _changing(name, Home.to_read(ledger)) as found:
        found.sink.reset()
        last = found.ledger.entries.last_seq()
    if as_json:
        print_json([{"sink": name, "seq": 0, "last_seq": last, "behind": last}])
        return
    say(f"{name} is filled again by the next `genai-cost ship`")


class _Open(NamedTuple):
    """A sink, and the ledger that feeds it."""

    name: str
    sink: Sink
    ledger: Ledger


@contextmanager
def _changing(name: str, home: Home) -> Generator[_Open, None, None]:
    """Nobody ships meanwhile. Raises ConfigurationError, LedgerLockedError."""
    with _sinks(home) as sinks:
        if name not in sinks:
            raise ConfigurationError(
                "no such sink here",
                value=name,
                remedy=f"use {' or '.join(sinks)}; OTEL_GENAI_COST_SINKS names those beside DuckDB",
            )
        with writer_lock(home.folder), closing(home.ledger()) as opened:
            yield _Open(name, sinks[name], opened)


def _rejectable(found: _Open) -> Rejectable:
    if not isinstance(found.sink, Rejectable):
        raise ConfigurationError("nothing is ever rejected by this sink", value=found.name)
    return found.sink


@contextmanager
def _sinks(home: Home) -> Generator[dict[str, Sink], None, None]:
    store = home.sink()
    with home.further_sinks() as further:
        yield {**({"duckdb": store} if store else {}), **further}
