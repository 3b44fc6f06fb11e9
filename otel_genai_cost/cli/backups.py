"""`ledger backup` and `ledger restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, print_json, tell
from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.daemon import writer_lock
from otel_genai_cost.ledger.storage.keeping import Backup, back_up, restore
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the commands to the group `ledger`."""
    group.command(name="backup")(_backup)
    group.command(name="restore")(_restore)


def _backup(
    file: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced.")],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one file that holds the whole ledger: what was retired from the journal, and what people decided."""
    home = Home.to_read(ledger)
    if not home.fresh():
        raise LedgerError(f"there is no ledger in {home.folder}, and nothing in its journal")
    _tell(back_up(home.folder, file), f"is in {file}", as_json)


def _restore(
    file: Annotated[Path, typer.Argument(help="A file that `ledger backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move the ledger that is there aside.")
    ] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the ledger's place. What the journal holds since is shipped into it by the next command."""
    home = Home.at(ledger)
    with writer_lock(home.folder):
        made = restore(home.folder, file, replace=replace)
    _tell(made, f"is back in {home.folder}", as_json)
    tell("the next `genai-cost ship` adds what the journal holds since, and fills the sinks anew")


def _tell(made: Backup, what: str, as_json: bool) -> None:
    if as_json:
        print_json([{"ledger_id": made.ledger_id, "seq": made.seq, "made": rfc3339(made.made_us)}])
    else:
        typer.echo(f"the ledger of {rfc3339(made.made_us)}, up to entry {made.seq:,}, {what}")
