"""`ledger verify`: whether a backup is what was saved, and of the ledger that is here."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.backup_folder import Manifest, newest_backup
from otel_genai_cost.ledger.storage.backups import unpacked, why_not_of
from otel_genai_cost.ledger.storage.keeping import LEDGER_FILE
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost ledger`."""
    group.command(name="verify")(_verify)


def _verify(
    file: Annotated[
        Path,
        typer.Argument(help="A file that `ledger backup` wrote, or a folder: its newest backup."),
    ],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Unpack a backup beside it, look whether files and entries are what was saved, and, if there is a ledger here,
    whether its entries are the same. Nothing is changed; exit code 2 if something is wrong."""
    if file.is_dir():
        file = newest_backup(file)
        note(f"the newest backup is {file}")
    home = Home.at(ledger)
    with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".verify-") as folder:
        made = unpacked(file, Path(folder))
        why = _why_not_of(home, Path(folder) / LEDGER_FILE, made) if home.has_ledger else None
    if why is not None:
        raise LedgerError(
            f"{file} is whole, and not a backup of the ledger in {home.folder}: {why}; pass --ledger with the "
            "folder of the ledger that it is of"
        )
    _say(file, made, compared=home.has_ledger, as_json=as_json)


def _why_not_of(home: Home, copy: Path, made: Manifest) -> str | None:
    try:
        return why_not_of(home.folder, copy, made)
    except (sqlite3.Error, ValueError) as error:
        raise LedgerError(
            f"the ledger in {home.folder} cannot be compared with it: {error}; run `genai-cost ship` there first"
        ) from None


def _say(file: Path, made: Manifest, *, compared: bool, as_json: bool) -> None:
    backup, identity = made.backup, made.identity
    if as_json:
        record = {
            "file": str(file),
            "ledger_id": backup.ledger_id,
            "seq": backup.seq,
            "made": rfc3339(backup.made_us),
            "ledger": identity.id if identity else None,
            "epoch": identity.epoch if identity else None,
            "entries": made.entries,
            "compared": compared,
        }
        print_json([record])
        return
    what = "its entries are those of the ledger here" if compared else "its entries are as saved"
    if made.entries is None:
        what = "an earlier version made it, which kept no digest of its entries"
    say(
        f"{file}: the ledger of {rfc3339(backup.made_us)}, up to entry {backup.seq:,}; its files are whole, and {what}"
    )
