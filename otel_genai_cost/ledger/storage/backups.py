"""Backups: one file that holds a ledger, and says what is in it so that whoever takes it out can tell.

A digest of each file finds what was damaged on the way. A digest of the entries, worked out from the ledger itself in
the snapshot that is copied, finds a file that is whole and is not that ledger.
"""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.backup_folder import (
    DAMAGE,
    MANIFEST,
    Manifest,
    manifest_of,
    refuse_followed,
)
from otel_genai_cost.ledger.storage.content import entries_digest
from otel_genai_cost.ledger.storage.identity import IDENTITY, known_identity
from otel_genai_cost.ledger.storage.keeping import (
    BACKUP,
    CONTRACTS_FILE,
    EVENTS,
    LEDGER_FILE,
    RETIRED,
    Backup,
    as_json,
    last_backup,
    now_us,
    refuse_half_restored,
    refuse_standby,
    remedy,
)
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = [
    "STORES",
    "back_up",
    "unpacked",
    "why_not_of",
]

STORES: Final = ("statements.sqlite", "billing.sqlite", "bills.sqlite", "revenue.sqlite")
"""What else is kept beside a ledger as a file of SQLite."""

_BESIDE: Final = (
    *(CONTRACTS_FILE, "sender-tokens.json", "gate-tokens.json", IDENTITY, RETIRED),
    *("books/*.json", f"{EVENTS}/*.jsonl"),
)
_FORMAT: Final = 1
_WITH_COLUMNS: Final = 2
"""The first format of a ledger whose entries have the columns that their digest is of."""

_COPY_BYTES: Final = 1 << 20


def back_up(home: Path, target: Path, scratch: str = ".ledger-") -> Backup:
    """Write one file that holds everything of a ledger, also while a shipper works.

    Args:
        home: the ledger's folder.
        target: the file to write.
        scratch: how the name of the folder begins, beside it, in which it is made.

    Raises:
        LedgerError: if the ledger cannot be read, is damaged, only stands by, or has a successor there.
        OSError: if the file cannot be written.
    """
    refuse_half_restored(home)
    refuse_standby(home)
    refuse_followed(home, target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=scratch) as folder:
        copies = Path(folder) / "copy"
        copies.mkdir()
        _copy_stores(home, copies)  # first: none is about entries that the copy lacks
        made, entries = _copy(home, copies / LEDGER_FILE)
        _copy_beside(home, copies)
        hidden = Path(folder) / "backup"
        files = _digests(copies)
        facts = {
            "format": _FORMAT,
            **made._asdict(),
            "sha256": files.pop(LEDGER_FILE),
            "files": files,
        }
        identity = known_identity(home)
        facts["homes"] = sorted({str(home), str(home.absolute())})
        facts |= {} if entries is None else {"entries": entries}
        facts |= {} if identity is None else {"identity": identity._asdict()}
        with tarfile.open(hidden, "w:gz") as archive:
            _add(archive, MANIFEST, as_json(facts))
            for name in (LEDGER_FILE, *files):
                archive.add(copies / name, name)
        hidden.chmod(0o600)
        bring_to_disk(hidden)
        hidden.replace(target)
        bring_to_disk(target.parent)
    replace_file(home / BACKUP, as_json(made._asdict()))
    return made


def _copy(home: Path, copy: Path) -> tuple[Backup, str | None]:
    """Copy the ledger's file, and work out what its entries say, in one snapshot."""
    try:
        with closing(_to_read(home / LEDGER_FILE)) as db, closing(sqlite3.connect(copy)) as into:
            db.execute("BEGIN")
            (seq,) = db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
            entries = _entries_digest(db, seq)
            db.backup(into)
            meta = dict(into.execute("SELECT key, value FROM meta"))
            (found,) = into.execute("PRAGMA quick_check(1)").fetchone()
    except (sqlite3.Error, ValueError) as error:
        raise LedgerError(
            f"cannot read the ledger in {home}: {error}; {remedy(home, error)}"
        ) from None
    if found != "ok":
        raise LedgerError(f"the ledger in {home} is damaged: {found}; {remedy(home, found)}")
    return Backup(str(meta.get("id")), seq, _made_us(home)), entries


def _made_us(home: Path) -> int:
    """The time, and after the backup before: by that the newest is known, also where the clock was put back."""
    before = last_backup(home)
    return now_us() if before is None else max(now_us(), before.made_us + 1)


def _copy_beside(home: Path, copies: Path) -> None:
    """What belongs to a ledger besides its file. What people decide goes on: a file is as long as it was just now."""
    for pattern in _BESIDE:
        for path in sorted(home.glob(pattern)):
            place = copies / path.relative_to(home)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, place)


def _copy_stores(home: Path, copies: Path) -> None:
    for name in filter(lambda one: (home / one).exists(), STORES):
        try:
            with (
                closing(_to_read(home / name)) as db,
                closing(sqlite3.connect(copies / name)) as into,
            ):
                db.backup(into)
        except sqlite3.Error as error:
            raise LedgerError(
                f"{home / name} cannot be copied, and belongs to the ledger: {error}; see that it can be read"
            ) from None


def _to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _entries_digest(db: sqlite3.Connection, seq: int) -> str | None:
    (form,) = db.execute("PRAGMA user_version").fetchone()
    return entries_digest(db, seq) if form >= _WITH_COLUMNS else None


def unpacked(source: Path, folder: Path, home: Path | None = None) -> Manifest:
    """Write a backup's files into a folder, and look whether they are what was saved.

    Args:
        source: a file that `back_up` wrote.
        folder: an empty one. The ledger in it has a new id, so that every sink is filled anew.
        home: where the ledger is to be: it knows its segments by their paths.

    Raises:
        LedgerError: if it is no backup, or not what it says.
        OSError: if it cannot be read or written.
    """
    try:
        _extract(source, folder)
        facts = json.loads((folder / MANIFEST).read_bytes())
        (folder / MANIFEST).unlink()
        made = _checked(folder, facts)
        _settle_in(folder / LEDGER_FILE, made.homes, home)
    except DAMAGE as error:
        raise LedgerError(
            f"{source} is no backup of a ledger, or is damaged: {error}; nothing was changed, put back an older one"
        ) from None
    for path in folder.rglob("*"):
        bring_to_disk(path)
    return made


def _extract(source: Path, folder: Path) -> None:
    with tarfile.open(source, "r:gz") as archive:
        for member in archive:
            name = Path(member.name)
            if not member.isfile() or name.is_absolute() or ".." in name.parts:
                raise ValueError(f"{member.name} does not belong there")
            place = folder / name
            place.parent.mkdir(mode=0o700, exist_ok=True)
            place.touch(mode=0o600)
            content = archive.extractfile(member)
            if content is not None:
                with place.open("wb") as file:
                    shutil.copyfileobj(content, file, _COPY_BYTES)


def _checked(folder: Path, facts: Mapping[str, Any]) -> Manifest:
    if facts["format"] > _FORMAT:
        raise ValueError("a newer version made it; upgrade otel-genai-cost")
    files = _digests(folder)
    if facts["sha256"] != files.pop(LEDGER_FILE, None):
        raise ValueError("the ledger in it is not the one that was saved")
    if files != facts.get("files", files):  # those of the first releases have none
        raise ValueError("what people decided is not what was saved")
    made = manifest_of(facts)
    if made is None:
        raise ValueError("its manifest is incomplete")
    with closing(sqlite3.connect(folder / LEDGER_FILE)) as db, db:
        (seq,) = db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
        if made.entries is not None and (seq, _entries_digest(db, seq)) != (
            made.backup.seq,
            made.entries,
        ):
            raise ValueError("the entries in it are not those of the ledger that was saved")
    return made


def _settle_in(ledger: Path, homes: Sequence[str], home: Path | None) -> None:
    """A new id, and the segments of its old home are those of the new: what it has read of them it has read."""
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'id'", (uuid4().hex,))
        for old in homes if home is not None else ():
            db.execute(
                "UPDATE OR REPLACE segment SET path = ? || substr(path, ?) WHERE substr(path, 1, ?) = ?",
                (f"{home}/", len(old) + 2, len(old) + 1, f"{old}/"),
            )


def why_not_of(home: Path, ledger: Path, made: Manifest) -> str | None:
    """Why a copy is none of the ledger in a folder, as it was or will be; None if it is.

    Args:
        home: the ledger's folder.
        ledger: the copy's file.
        made: what the copy says of itself.

    Raises:
        sqlite3.Error, ValueError: if one of them cannot be read.
    """
    own = known_identity(home)
    if own and made.identity and own.id != made.identity.id:
        return f"it is of another ledger, {made.identity.id[:12]}; this one is {own.id[:12]}"
    with closing(_to_read(home / LEDGER_FILE)) as here, closing(_to_read(ledger)) as there:
        seqs = [
            one.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
            for one in (here, there)
        ]
        common = min(seqs)
        if entries_digest(here, common) != entries_digest(there, common):
            return f"the first {common:,} entries of the two are not the same"
    return None


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(_COPY_BYTES):
            digest.update(part)
    return digest.hexdigest()


def _digests(folder: Path) -> dict[str, str]:
    """The digest of each file, by its place in the folder."""
    return {
        str(path.relative_to(folder)): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
