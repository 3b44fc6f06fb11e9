"""`ship`: from the journals into the ledger, and on to the sinks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from types import FrameType
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.broker_options import BrokerOptions
from otel_genai_cost.cli.home import ContractsOption, Home, HomeOption, watched_book
from otel_genai_cost.cli.output import JsonOption, print_json, say
from otel_genai_cost.ledger.daemon import Shipped
from otel_genai_cost.ledger.source import Source
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.streaming.broker import load_broker
from otel_genai_cost.streaming.dead_letters import DEAD_LETTERS_FILE, DeadLetters
from otel_genai_cost.streaming.source import StreamSource

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="ship")(_ship)


def _ship(
    follow: Annotated[bool, typer.Option(help="Go on until SIGTERM or Ctrl-C.")] = False,
    drain: Annotated[bool, typer.Option(help="Settle everything now, ripe or not.")] = False,
    retire: Annotated[
        bool, typer.Option(help="Delete segments that are ingested and finished.")
    ] = False,
    contracts: ContractsOption = None,
    from_broker: Annotated[
        str,
        typer.Option(
            "--from", help="Read a topic as well, to which nodes forward: kafka or pulsar."
        ),
    ] = "",
    option: BrokerOptions = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest the journals, settle, book, and feed the sinks. One process at a time; exit code 1 if a segment could not
    be read, a sink not be fed, or journals of other users are meant for it and not read."""
    home = Home.at(ledger)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with home.further_sinks() as sinks, _sources(home, from_broker, option) as sources:
        done = home.ship(
            book=watched_book(),
            contracts=contracts,
            sinks=sinks.values(),
            sources=sources,
            follow=follow,
            drain=drain,
            stop=stop,
            retire_segments=retire,
        )
    if as_json:
        print_json([_record(done)])
    else:
        _say(done)
    home.note_unread_journals()
    if done.unread or done.unfed or home.elsewhere:
        raise typer.Exit(1)


@contextmanager
def _sources(home: Home, broker: str, options: Sequence[str] | None) -> Generator[list[Source]]:
    if not broker:
        yield []
        return
    dead_letters = DeadLetters(home.folder / DEAD_LETTERS_FILE)
    with closing(StreamSource(load_broker(broker, options or ()), dead_letters)) as source:
        yield [source]


def _record(done: Shipped) -> dict[str, Any]:
    record = done._asdict()
    oldest_us = record.pop("oldest_us")
    return {**record, "oldest": None if oldest_us is None else rfc3339(oldest_us)}


def _say(done: Shipped) -> None:
    say(
        f"{done.observations} observations ingested, {done.settled} settled, {done.entries} entries booked "
        f"({done.rerated} re-rated); "
        f"{done.damaged} damaged lines, {done.gaps} missing records, {done.sink_errors} sink errors, "
        f"{done.conflicts} conflicts, {done.unread} unreadable segments or folders"
    )
    if done.oldest_us is not None:
        oldest = rfc3339(done.oldest_us)
        say(
            f"{done.waiting} observations are not settled yet; the oldest call of them ended at {oldest}"
        )
    if done.unfed_entries:
        say(f"a sink lacks {done.unfed_entries} entries")
