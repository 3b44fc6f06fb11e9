"""A folder of backups: what each says of itself, which is the newest, and word of who has taken a ledger's place."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.identity import Identity, identity_in, known_identity
from otel_genai_cost.ledger.storage.keeping import Backup, as_json, backup_of
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = [
    "DAMAGE",
    "MANIFEST",
    "Manifest",
    "backup_name",
    "backups_in",
    "is_backup_name",
    "manifest_of",
    "newest_backup",
    "note_successor",
    "refuse_followed",
]

_logger = logging.getLogger("otel_genai_cost")

MANIFEST: Final = "manifest.json"
"""At the beginning of each."""

DAMAGE: Final = (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, sqlite3.Error)
"""What reading a file raises that is no backup."""


class Manifest(NamedTuple):
    """What a backup says of itself.

    Attributes:
        backup: up to which entry, and when it was made.
        identity: which ledger that was, and which life of it; None where it never had senders, or says nothing.
        entries: the digest of its entries; None of what earlier versions wrote.
        homes: the folder that it was in, as paths of segments may have it.
    """

    backup: Backup
    identity: Identity | None
    entries: str | None
    homes: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, int]:
        """Of two backups of one ledger, that of the later life is the newer; else that which was made later."""
        return (self.identity.epoch if self.identity else 0, self.backup.made_us)


def backup_name(made_us: int) -> str:
    """What a backup is called in a folder of them."""
    return f"ledger-{made_us}.tar.gz"


def is_backup_name(name: str) -> bool:
    """Whether that is such a name, and not one that somebody gave it."""
    return re.fullmatch(r"ledger-[0-9]+\.tar\.gz", name, re.ASCII) is not None


def backups_in(folder: Path) -> dict[Path, Manifest]:
    """The backups of a folder, by what they say themselves.

    Args:
        folder: where backups are kept.

    Raises:
        OSError: if it cannot be read.
    """
    said = {path: _said_of(path) for path in folder.iterdir() if path.is_file()}
    return {path: one for path, one in said.items() if one is not None}


def newest_backup(folder: Path) -> Path:
    """The newest backup in a folder: of its ledger's latest life, the one that was made last.

    Args:
        folder: where backups are kept.

    Raises:
        LedgerError: if there is none.
    """
    found = backups_in(folder)
    if not found:
        raise LedgerError(f"there is no backup of a ledger in {folder}")
    return max(found, key=lambda path: (found[path].order, path))


def refuse_followed(home: Path, folder: Path, copy: str = "") -> None:
    """Refuse a ledger that another one has taken the place of.

    Args:
        home: the ledger's folder.
        folder: where its backups are kept, and those of whoever took its place.
        copy: which copy it is itself, that has begun to.

    Raises:
        LedgerError: if a later life of it has left a word there.
    """
    own = known_identity(home)
    if own is None:
        return
    for path, one in _lives_in(folder, copy):
        if one.id == own.id and one.epoch > own.epoch:
            raise LedgerError(
                f"another ledger has taken the place of the one in {home}: {path} is of its epoch {one.epoch}, and "
                f"this one's is {own.epoch}; leave this one stopped, or have it stand by: "
                f"`genai-cost ledger standby {folder} --ledger {home} --replace`"
            )


def note_successor(folder: Path, identity: Identity, copy: str) -> None:
    """Leave word beside a ledger's backups that another has taken its place. Where that cannot be written, senders are
    what turns them from it.

    Args:
        folder: where they are kept.
        identity: of the ledger from now on.
        copy: which copy that is.

    Raises:
        LedgerError: if another copy takes the place with the same epoch.
    """
    place = folder / f"successor-{identity.epoch}.json"
    said = as_json({**identity._asdict(), "copy": copy})
    try:
        with place.open("xb") as file:
            file.write(said)
        bring_to_disk(place)
        bring_to_disk(folder)
    except FileExistsError:
        if place.read_bytes() not in (said, b""):
            raise LedgerError(
                f"another copy takes the place of this ledger just now ({place}); leave this one stopped"
            ) from None
        replace_file(place, said)
    except OSError as error:
        _logger.warning(
            "no word of this is left for the ledger before: %s; see that it does not start", error
        )


def _lives_in(folder: Path, copy: str) -> Iterator[tuple[Path, Identity]]:
    """Of which lives of ledgers there is word in a folder of backups, other than that of a copy itself."""
    for path in folder.glob("successor-*.json"):
        with suppress(OSError, ValueError, AttributeError):
            said = json.loads(path.read_bytes())
            one = identity_in(said)
            if one is not None and said.get("copy") != copy:
                yield path, one
    for path, made in backups_in(folder).items():
        if made.identity is not None:
            yield path, made.identity


def _said_of(path: Path) -> Manifest | None:
    """What a file says of itself, if it is a backup: at its beginning, so that no more is read."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
            if first is None or first.name != MANIFEST:
                return None
            content = archive.extractfile(first)
            return None if content is None else manifest_of(json.loads(content.read()))
    except (OSError, AttributeError, *DAMAGE):
        return None


def manifest_of(facts: Mapping[str, Any]) -> Manifest | None:
    """What the facts of a manifest come to; None if they do not say which ledger it is of."""
    made, entries = backup_of(facts), facts.get("entries")
    if made is None:
        return None
    identity = identity_in(facts.get("identity") or {})
    homes = tuple(map(str, facts.get("homes", ())))
    return Manifest(made, identity, entries if isinstance(entries, str) else None, homes)
