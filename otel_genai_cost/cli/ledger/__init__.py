"""`ledger`: what was joined, or was not, and putting it right by hand; and the ledger as one file."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.ledger import (
    dead_letters,
    partition_check,
    promote,
    senders,
    serve,
    standby,
    unlink,
    verify,
)
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table, say
from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.daemon import writer_lock
from otel_genai_cost.ledger.storage.backup_folder import backup_name, newest_backup
from otel_genai_cost.ledger.storage.backups import back_up
from otel_genai_cost.ledger.storage.keeping import Backup, now_us
from otel_genai_cost.ledger.storage.restoring import restore
from otel_genai_cost.ledger.storage.retention import unmark_all
from otel_genai_cost.ledger.storage.rows import Stored
from otel_genai_cost.ledger.suspects import WHY, Suspect, suspects
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]

_HOUR_US = 3_600_000_000


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Which spans were taken for one response.", no_args_is_help=True)
    group.command(name="suspects")(_suspects)
    group.command(name="backup")(_backup)
    group.command(name="restore")(_restore)
    for one in (unlink, verify, serve, standby, promote, senders, partition_check, dead_letters):
        one.register(group)
    app.add_typer(group, name="ledger")


def _suspects(
    hours: Annotated[int, typer.Option(min=1, help="Look at what was ingested since.")] = 24,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Charges that look alike and were not joined: nothing proves that they are one response."""
    home = Home.to_read(ledger)
    since_us = time.time_ns() // 1000 - hours * _HOUR_US
    found = list(home.ask(lambda opened: suspects(opened.observations.settled_since(since_us))))
    if not found:
        note(
            f"nothing ingested in {home.folder} in the last {hours} hours looks like a second span of another charge"
        )
    if as_json or not found:
        print_json(_record(one) for one in found)
        return
    rows = [_row(one) for one in found]
    print_table(
        ("why", "first charge", "second charge", "scopes", "input"),
        rows,
        right=frozenset({"input"}),
    )
    for why in WHY:
        if any(row[0] == why for row in rows):
            note(f"{why}: {WHY[why]}")


def _row(one: Suspect) -> list[str]:
    total = one.second.observation.reading.usage.input_total
    scopes = f"{one.first.observation.scope} / {one.second.observation.scope}"
    charges = [(each.charge_id or "")[:16] for each in one[1:]]
    return [one.why, *charges, scopes, "-" if total is None else f"{total:,}"]


def _record(one: Suspect) -> dict[str, Any]:
    return {"why": one.why, "first": _side(one.first), "second": _side(one.second)}


def _side(one: Stored) -> dict[str, Any]:
    observation, reading = one.observation, one.observation.reading
    return {
        "charge_id": one.charge_id,
        "observation_id": observation.id,
        "trace_id": observation.trace_id,
        "span_id": observation.span_id,
        "scope": observation.scope,
        "process": observation.origin.process,
        "tenant": observation.attribution.tenant,
        "provider": reading.provider,
        "model": reading.model_returned or reading.model_requested,
        "response_id": reading.response_id,
        "input_tokens": reading.usage.input_total,
        "output_tokens": reading.usage.output_total,
        "total": observation.cost.total_text,
        "currency": observation.cost.currency,
    }


def _backup(
    file: Annotated[
        Path,
        typer.Argument(
            help="The file to write, one that is there is replaced; or a folder, for a file named by the time."
        ),
    ],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one file that holds the whole ledger: what was retired from the journal, and what people decided."""
    home = Home.to_read(ledger)
    if not home.fresh():
        raise LedgerError(f"there is no ledger in {home.folder}, and nothing in its journal")
    if file.is_dir():
        file /= backup_name(now_us())
    _print_backup(back_up(home.folder, file), f"is in {file}", as_json)


def _restore(
    file: Annotated[
        Path,
        typer.Argument(help="A file that `ledger backup` wrote, or a folder: its newest backup."),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move the ledger that is there aside.")
    ] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the ledger's place. What the journal holds since is shipped into it by the next command."""
    home = Home.at(ledger)
    if file.is_dir():
        file = newest_backup(file)
        note(f"the newest backup is {file}")
    with writer_lock(home.folder):
        first = partial(unmark_all, home.journals)
        made = restore(home.folder, file, replace=replace, first=first)
    _print_backup(made, f"is back in {home.folder}", as_json)
    note("the next `genai-cost ship` adds what the journal holds since, and fills the sinks anew")


def _print_backup(made: Backup, what: str, as_json: bool) -> None:
    if as_json:
        print_json([{"ledger_id": made.ledger_id, "seq": made.seq, "made": rfc3339(made.made_us)}])
    else:
        say(f"the ledger of {rfc3339(made.made_us)}, up to entry {made.seq:,}, {what}")
