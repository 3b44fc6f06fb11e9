"""What keeps a ledger safe: backups, what was retired, and what to do about an error."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from uuid import uuid4

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.identity import IDENTITY, known_identity, promote
from otel_genai_cost.pricing.watch import replace_file

__all__ = [
    "EVENTS",
    "RESTORE",
    "Backup",
    "back_up",
    "last_backup",
    "note_retired",
    "refuse_rebuild",
    "remedy",
    "restore",
    "retired",
    "retired_last_us",
]

EVENTS: Final = "events"
"""The folder of the ledger's own journal: what people decided."""

_LEDGER: Final = "ledger.sqlite"
_MANIFEST: Final = "manifest.json"
_RETIRED: Final = "retired.json"
_BACKUP: Final = "backup.json"
_FORMAT: Final = 1
RESTORE: Final = "put a backup back: `genai-cost ledger restore FILE`"

_BY_MESSAGE: Final = (
    ("locked", "another program holds it: close that, or try again later; nothing is lost"),
    ("busy", "another program holds it: close that, or try again later; nothing is lost"),
    ("full", "free some space and try again; nothing is lost"),
    ("readonly", "make its folder writable for this user; nothing is lost"),
    ("unable to open", "make its folder readable for this user; nothing is lost"),
    ("disk I/O", "look at the disk, then try again"),
)
"""Errors of SQLite that say nothing against the file itself."""


class Backup(NamedTuple):
    """A copy of a ledger: up to which entry, and when it was made (unix microseconds)."""

    ledger_id: str
    seq: int
    made_us: int


def remedy(home: Path | None, error: object) -> str:
    """What to do about an error of SQLite, or of what it holds.

    Args:
        home: the ledger's folder; None where it is not known.
        error: what happened.

    Returns:
        An advice, without a full stop. That a ledger can be rebuilt is never said where parts of its journal were
        retired.
    """
    text = str(error).lower()
    for part, advice in _BY_MESSAGE:
        if part in text:
            return advice
    if home is None:
        return "`genai-cost doctor` says what to do"
    if retired(home):
        return (
            f"if it is damaged, {RESTORE}; it cannot be rebuilt, because {retired(home)} segment(s) "
            "of its journal were retired"
        )
    return f"if it is damaged, move {_LEDGER} away: the next `genai-cost ship` rebuilds it from the journal"


def retired(home: Path) -> int:
    """How many segments were deleted after they were ingested here."""
    count = _facts(home / _RETIRED).get("segments", 0)
    return count if type(count) is int else 1


def retired_last_us(home: Path) -> int:
    """When the last of them was."""
    last_us = _facts(home / _RETIRED).get("last_us", 0)
    return last_us if type(last_us) is int else 0


def note_retired(home: Path, count: int = 1) -> None:
    """Remember, beside the ledger, that segments of its journal are deleted.

    Args:
        home: the ledger's folder.
        count: how many.

    Raises:
        OSError: if that cannot be written.
    """
    facts = {"segments": retired(home) + count, "last_us": _now_us()}
    replace_file(home / _RETIRED, _json(facts))


def refuse_rebuild(home: Path) -> None:
    """Refuse to make a new ledger in a folder where it would lack the calls of retired segments.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerError: if segments of its journal were retired.
    """
    if retired(home):
        raise LedgerError(
            f"there is no ledger in {home}, and {retired(home)} segment(s) of its journal were retired, so a new one "
            f"would lack their calls; {RESTORE}, or remove {home / _RETIRED} to begin without them"
        )


def last_backup(home: Path) -> Backup | None:
    """The newest backup that was made of this ledger, wherever it is now."""
    return _backup_of(_facts(home / _BACKUP))


def back_up(home: Path, target: Path) -> Backup:
    """Write one file that holds everything of a ledger, also while a shipper works.

    Args:
        home: the ledger's folder.
        target: the file to write.

    Raises:
        LedgerError: if the ledger cannot be read, or is damaged.
        OSError: if the file cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".ledger-") as folder:
        copy = Path(folder) / _LEDGER
        made = _copy(home, copy)
        hidden = Path(folder) / "backup"
        facts = {"format": _FORMAT, **made._asdict(), "sha256": _digest(copy)}
        with tarfile.open(hidden, "w:gz") as archive:
            _add(archive, _MANIFEST, _json(facts))
            archive.add(copy, _LEDGER)
            for path in _beside(home):
                archive.add(path, str(path.relative_to(home)))
        hidden.chmod(0o600)
        with hidden.open("rb") as file:
            os.fsync(file.fileno())
        hidden.replace(target)
    replace_file(home / _BACKUP, _json(made._asdict()))
    return made


def restore(home: Path, source: Path, *, replace: bool) -> Backup:
    """Put a backup in a ledger's place, under a new id, so that every sink is filled anew, and of a higher epoch, so
    that senders turn from the one that it replaces. The caller is its writer.

    Args:
        home: the ledger's folder.
        source: a file that `back_up` wrote.
        replace: whether a ledger that is there is moved aside.

    Raises:
        LedgerError: if the file is no backup or is damaged, or there is a ledger that may not be replaced.
    """
    there = sorted(home.glob(f"{_LEDGER}*"))
    if there and not replace:
        raise LedgerError(f"there is a ledger in {home}; pass --replace to move it aside")
    with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as folder:
        try:
            made = _unpack(source, Path(folder))
        except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                f"{source} is no backup of a ledger, or is damaged: {error}"
            ) from None
        before = known_identity(home)
        for path in there:
            path.rename(path.with_name(f"{path.name}.before-{_now_us()}"))
        for path in sorted(Path(folder).rglob("*")):
            place = home / path.relative_to(folder)
            if path.is_dir():
                place.mkdir(mode=0o700, exist_ok=True)
            elif replace or not place.exists():
                path.replace(place)
    promote(home, before)
    return made


def _copy(home: Path, copy: Path) -> Backup:
    try:
        uri = f"{(home / _LEDGER).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as db, closing(sqlite3.connect(copy)) as into:
            db.backup(into)
            meta = dict(into.execute("SELECT key, value FROM meta"))
            (seq,) = into.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
            (found,) = into.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise LedgerError(
            f"cannot read the ledger in {home}: {error}; {remedy(home, error)}"
        ) from None
    if found != "ok":
        raise LedgerError(f"the ledger in {home} is damaged: {found}; {remedy(home, found)}")
    return Backup(str(meta.get("id")), seq, _now_us())


def _beside(home: Path) -> Iterator[Path]:
    """What belongs to a ledger besides its file."""
    for pattern in ("contracts.json", IDENTITY, _RETIRED, "books/*.json", f"{EVENTS}/*.jsonl"):
        yield from sorted(home.glob(pattern))


def _unpack(source: Path, folder: Path) -> Backup:
    """Write a backup's files into a folder, and the ledger under a new id."""
    with tarfile.open(source, "r:gz") as archive:
        for member in archive:
            name = Path(member.name)
            if not member.isfile() or name.is_absolute() or ".." in name.parts:
                raise ValueError(f"{member.name} does not belong there")
            content = archive.extractfile(member)
            place = folder / name
            place.parent.mkdir(mode=0o700, exist_ok=True)
            place.touch(mode=0o600)
            place.write_bytes(content.read() if content is not None else b"")
    facts = json.loads((folder / _MANIFEST).read_bytes())
    (folder / _MANIFEST).unlink()
    if facts["format"] > _FORMAT:
        raise ValueError("a newer version made it; upgrade otel-genai-cost")
    if facts["sha256"] != _digest(folder / _LEDGER):
        raise ValueError("the ledger in it is not the one that was saved")
    made = _backup_of(facts)
    if made is None:
        raise ValueError("its manifest is incomplete")
    with closing(sqlite3.connect(folder / _LEDGER)) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'id'", (uuid4().hex,))
    return made


def _backup_of(facts: Mapping[str, Any]) -> Backup | None:
    ledger_id, seq, made_us = (facts.get(key) for key in Backup._fields)
    if not (isinstance(ledger_id, str) and isinstance(seq, int) and isinstance(made_us, int)):
        return None
    return Backup(ledger_id, seq, made_us)


def _facts(path: Path) -> Mapping[str, Any]:
    """What a small file beside the ledger says. One that cannot be read says that there is something."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"segments": 1}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {"segments": 1}


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts).encode() + b"\n"


def _now_us() -> int:
    return time.time_ns() // 1000
