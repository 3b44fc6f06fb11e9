"""What keeps a ledger safe: backups, what was retired, and what to do about an error."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from uuid import uuid4

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.identity import IDENTITY, Identity, known_identity, promote
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = [
    "EVENTS",
    "RESTORE",
    "Backup",
    "back_up",
    "last_backup",
    "newest_backup",
    "note_retired",
    "refuse_half_restored",
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
_RESTORING: Final = "restoring.json"
"""Beside a ledger while a backup takes its place: until all of it is there, nobody opens it."""

_SCRATCH: Final = ".restore-"
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


def refuse_half_restored(home: Path) -> None:
    """Refuse a ledger that a backup was taking the place of when its process ended.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerError: if that was not finished.
    """
    if (home / _RESTORING).exists():
        source = _facts(home / _RESTORING).get("source", "FILE")
        raise LedgerError(
            f"a backup was being put in the place of the ledger in {home}, and not all of it is there; "
            f"do it again: `genai-cost ledger restore {source}`"
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
        copy = Path(folder) / "copy" / _LEDGER
        copy.parent.mkdir()
        made = _copy(home, copy)
        for path in _beside(
            home
        ):  # what people decide goes on: each file is as long as it was just now
            place = copy.parent / path.relative_to(home)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, place)
        hidden = Path(folder) / "backup"
        files = _digests(copy.parent)
        facts = {"format": _FORMAT, **made._asdict(), "sha256": files.pop(_LEDGER), "files": files}
        with tarfile.open(hidden, "w:gz") as archive:
            _add(archive, _MANIFEST, _json(facts))
            for name in (_LEDGER, *files):
                archive.add(copy.parent / name, name)
        hidden.chmod(0o600)
        bring_to_disk(hidden)
        hidden.replace(target)
        bring_to_disk(target.parent)
    replace_file(home / _BACKUP, _json(made._asdict()))
    return made


def newest_backup(folder: Path) -> Path:
    """The backup in a folder that was made last, by what it says itself.

    Args:
        folder: where backups are kept.

    Raises:
        LedgerError: if there is none that says so.
    """
    found = [(made.made_us, path) for path in folder.iterdir() if (made := _said_of(path))]
    if not found:
        raise LedgerError(f"there is no backup of a ledger in {folder}")
    return max(found)[1]


def restore(
    home: Path, source: Path, *, replace: bool, first: Callable[[], object] = lambda: None
) -> Backup:
    """Put a backup in a ledger's place, under a new id, so that every sink is filled anew, and of a higher epoch, so
    that senders turn from the one that it replaces. The caller is its writer. If the process ends in the middle of it,
    the ledger is opened by nobody until it is done again.

    Args:
        home: the ledger's folder.
        source: a file that `back_up` wrote.
        replace: whether a ledger that is there is moved aside.
        first: what is to be done once the backup is known to be whole, and before anything is moved.

    Raises:
        LedgerError: if the file is no backup or is damaged, or there is a ledger that may not be replaced.
    """
    there = sorted(home.glob(f"{_LEDGER}*"))
    is_again = (home / _RESTORING).exists()
    there = [path for path in there if ".before-" not in path.name]
    if there and not replace and not is_again:
        raise LedgerError(f"there is a ledger in {home}; pass --replace to move it aside")
    for left in home.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=_SCRATCH) as folder:
        try:
            made = _unpack(source, Path(folder))
        except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                f"{source} is no backup of a ledger, or is damaged: {error}; nothing was changed, "
                "put back an older one"
            ) from None
        first()
        before = _life_before(home)
        lived = {} if before is None else before._asdict()
        replace_file(home / _RESTORING, _json({"source": str(source.absolute()), **lived}))
        bring_to_disk(home)
        for path in there:
            path.rename(path.with_name(f"{path.name}.before-{_now_us()}"))
        _move(Path(folder), home, replace=replace)
        promote(home, before)
        bring_to_disk(home)
    (home / _RESTORING).unlink()
    return made


def _life_before(home: Path) -> Identity | None:
    """What a ledger was before it was replaced, also where that was begun already."""
    known, said = known_identity(home), _facts(home / _RESTORING)
    name, epoch = said.get("id"), said.get("epoch")
    if not isinstance(name, str) or type(epoch) is not int:
        return known
    return Identity(name, epoch if known is None else max(epoch, known.epoch))


def _move(folder: Path, home: Path, *, replace: bool) -> None:
    """Every file to its place; without `replace`, what people decided since stays."""
    for path in sorted(folder.rglob("*")):
        place = home / path.relative_to(folder)
        if path.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)
        elif replace or not place.exists():
            path.replace(place)


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
    files = _digests(folder)
    if facts["sha256"] != files.pop(_LEDGER, None):
        raise ValueError("the ledger in it is not the one that was saved")
    if files != facts.get("files", files):  # those of the first releases have none
        raise ValueError("what people decided is not what was saved")
    made = _backup_of(facts)
    if made is None:
        raise ValueError("its manifest is incomplete")
    with closing(sqlite3.connect(folder / _LEDGER)) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'id'", (uuid4().hex,))
    for path in folder.rglob("*"):
        bring_to_disk(path)
    return made


def _said_of(path: Path) -> Backup | None:
    """What a file says of itself, if it is a backup."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            content = archive.extractfile(_MANIFEST)
            return _backup_of(json.loads(content.read())) if content is not None else None
    except (OSError, tarfile.TarError, EOFError, ValueError, KeyError, AttributeError):
        return None


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


def _digests(folder: Path) -> dict[str, str]:
    """The digest of each file, by its place in the folder."""
    return {
        str(path.relative_to(folder)): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts).encode() + b"\n"


def _now_us() -> int:
    return time.time_ns() // 1000
