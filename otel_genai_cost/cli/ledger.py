"""`ship` and `rerate`: writing to the ledger."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption, JsonOption, tell
from otel_genai_cost.cli.output import print_json
from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.ledger.rerate import Books, Difference, rerate
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.money import format_money

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="ship")(_ship)
    app.command(name="rerate")(_rerate)


def _ship(
    follow: Annotated[bool, typer.Option(help="Go on until SIGTERM or Ctrl-C.")] = False,
    drain: Annotated[bool, typer.Option(help="Settle everything now, ripe or not.")] = False,
    retire: Annotated[
        bool, typer.Option(help="Delete segments that are ingested and finished.")
    ] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest the journals, settle, book, and feed the sinks. One process at a time."""
    home = Home.at(ledger)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    done = home.ship(follow=follow, drain=drain, stop=stop, retire_segments=retire)
    if as_json:
        print_json([done._asdict()])
        return
    typer.echo(
        f"{done.observations} observations ingested, {done.settled} settled, {done.entries} entries booked; "
        f"{done.damaged} damaged lines, {done.gaps} missing records, {done.sink_errors} sink errors, "
        f"{done.conflicts} conflicts"
    )


def _rerate(
    book: Annotated[Path | None, typer.Option(help="Price book; default: the wheel's.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Tell, and book nothing.")] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rate every charge with a price book; differences are booked beside the originals."""
    home = Home.at(ledger)
    home.fresh()
    priced_by = load_book(book)
    with writer_lock(home.folder):
        opened = Ledger(home.folder / LEDGER_FILE)
        books = Books(home.journals)
        now_us = time.time_ns() // 1000
        found = list(rerate(opened, priced_by, books, now_us=now_us, dry_run=dry_run))
        opened.close()
    if not dry_run:
        home.ship()
    if as_json:
        print_json(_difference_record(one) for one in found)
        return
    for line in _summary(found):
        typer.echo(line)
    tell(
        f"{len(found)} charge(s) {'would change' if dry_run else 'changed'}; book {priced_by.digest[:12]}"
    )


def _difference_record(difference: Difference) -> dict[str, Any]:
    last = difference.entries[-1]
    return {
        "charge_id": difference.charge_id,
        "tenant": last.attribution.tenant,
        "model": last.model,
        "difference": format_money(sum(entry.amount for entry in difference.entries)),
        "unpriced": sum(entry.unpriced for entry in difference.entries),
        "currency": last.currency,
    }


def _summary(found: Iterable[Difference]) -> list[str]:
    """The differences by tenant and model."""
    sums: dict[tuple[str, str, str], int] = {}
    for difference in found:
        for entry in difference.entries:
            key = (entry.attribution.tenant or "-", entry.model or "-", entry.currency)
            sums[key] = sums.get(key, 0) + entry.amount
    return [
        f"{tenant:<24} {model:<32} {format_money(amount):>22} {currency}"
        for (tenant, model, currency), amount in sorted(sums.items())
    ]
