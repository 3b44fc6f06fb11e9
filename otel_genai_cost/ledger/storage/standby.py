"""A copy of a ledger that follows its backups, and takes its place when it is told to.

Nobody writes to it meanwhile. The epoch is raised when it takes the place and not before: a copy that only stands by
must never be what a sender turns to.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.backup_folder import (
    Manifest,
    backups_in,
    note_successor,
    refuse_followed,
)
from otel_genai_cost.ledger.storage.backups import STORES, unpacked, why_not_of
from otel_genai_cost.ledger.storage.identity import Identity, known_identity, promote
from otel_genai_cost.ledger.storage.keeping import (
    BACKUP,
    EVENTS,
    LEDGER_FILE,
    RESTORING,
    STANDBY,
    Backup,
    as_json,
    backup_of,
    facts_of,
    refuse_half_restored,
)
from otel_genai_cost.ledger.storage.restoring import (
    clear_scratch,
    move_aside,
    move_in,
    scratch,
    there,
)
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = [
    "Promotion",
    "Standby",
    "ask_to_promote",
    "has_taken_place",
    "is_asked_to_promote",
    "stand_up",
]

_logger = logging.getLogger("otel_genai_cost")

_ASKED: Final = "promote.json"
"""Beside a copy that a process follows for: it is to be the ledger."""


_TAKEN: Final = "promoted.json"
"""Beside a ledger that was a copy: what was noted of it then."""


class Promotion(NamedTuple):
    """What became the ledger: who it is, and the backup that it goes on from."""

    identity: Identity
    backup: Backup


class Standby:
    """Follows the backups in a folder. Its process is the one writer of the copy.

    Args:
        home: the copy's folder.
        folder: where the ledger's backups are kept.
        replace: whether a ledger that is there is moved aside.

    Raises:
        LedgerError: if there is a ledger that may not be replaced.
        OSError: if the folder cannot be written.
    """

    def __init__(self, home: Path, folder: Path, *, replace: bool = False) -> None:
        self._home, self._folder = home, folder.absolute()
        self._unfit: set[tuple[Path, Backup]] = set()
        (home / _ASKED).unlink(missing_ok=True)
        clear_scratch(home)
        if not (home / STANDBY).exists():
            if there(home) and not replace:
                raise LedgerError(
                    f"there is a ledger in {home}; give the standby a folder of its own, or pass --replace to move "
                    "that ledger aside"
                )
            self._note({})

    @property
    def followed(self) -> Backup | None:
        """The backup that the copy is; None before the first."""
        return _followed(self._home)

    def follow(self) -> Backup | None:
        """Make the copy what the newest backup is that is fit to be followed.

        Returns:
            The backup; None if the copy is that already, or there is none.

        Raises:
            LedgerError: if the backups are of several ledgers.
            OSError: if they cannot be read, or the copy cannot be written.
        """
        for path, made in self._newer():
            if (path, made.backup) in self._unfit:
                continue
            try:
                self._take(path)
            except (LedgerError, sqlite3.Error, ValueError) as error:
                self._unfit.add((path, made.backup))
                _logger.error("%s is not followed: %s", path, error)
                continue
            return made.backup
        return None

    def _newer(self) -> list[tuple[Path, Manifest]]:
        """The backups that are newer than the copy, the newest first."""
        found = backups_in(self._folder)
        own = known_identity(self._home)
        ids = {one.identity.id for one in found.values() if one.identity}
        if own is None and len(ids) > 1:
            raise LedgerError(
                f"in {self._folder} are backups of {len(ids)} ledgers; keep those of each in a folder of its own"
            )
        half = (self._home / RESTORING).exists()
        known = None if half else self.followed
        least = (0, 0) if known is None else (own.epoch if own else 0, known.made_us)
        newer = [
            (path, one)
            for path, one in found.items()
            if one.order > least
            and (own is None or one.identity is None or one.identity.id == own.id)
        ]
        return sorted(newer, key=lambda each: each[1].order, reverse=True)

    def _take(self, source: Path) -> None:
        home = self._home
        with scratch(home) as name:
            folder = Path(name)
            made = unpacked(source, folder, home)
            self._refuse_another_past(folder, made)
            again = f"standby {self._folder} --ledger {home}"
            replace_file(home / RESTORING, as_json({"again": again}))
            bring_to_disk(home)
            if self.followed is None:
                move_aside(home, STORES)
            for path in self._stale(folder):
                path.unlink(missing_ok=True)
            move_in(folder, home)
            replace_file(home / BACKUP, as_json(made.backup._asdict()))
            self._note(made.backup._asdict())
        (home / RESTORING).unlink()
        bring_to_disk(home)

    def _refuse_another_past(self, folder: Path, made: Manifest) -> None:
        """A backup of the same life in which entries have changed is none of what was followed before. A later life may
        have been restored from an older backup."""
        own = known_identity(self._home)
        if self.followed is None or (self._home / RESTORING).exists() or not made.entries:
            return
        if own and made.identity and made.identity.epoch > own.epoch:
            return
        why = why_not_of(self._home, folder / LEDGER_FILE, made)
        if why is not None:
            raise LedgerError(
                f"{why}, and entries never change: look at the ledger that it is of (`genai-cost ledger verify`)"
            )

    def _stale(self, folder: Path) -> list[Path]:
        """What is there and not in the backup; a log of SQLite's belongs to the file that is replaced."""
        home = self._home
        logs = [
            home / f"{store}{end}" for store in (LEDGER_FILE, *STORES) for end in ("-wal", "-shm")
        ]
        said = [*home.glob(f"{EVENTS}/*.jsonl"), *(home / store for store in STORES)]
        return logs + [path for path in said if not (folder / path.relative_to(home)).exists()]

    def _note(self, facts: Mapping[str, Any]) -> None:
        said = as_json({"folder": str(self._folder), **facts})
        replace_file(self._home / STANDBY, said)
        bring_to_disk(self._home)


def _followed(home: Path) -> Backup | None:
    return backup_of(facts_of(home / STANDBY))


def ask_to_promote(home: Path, within_s: float) -> Promotion:
    """Have the process that follows make its copy the ledger.

    Args:
        home: the copy's folder.
        within_s: how long it has for that.

    Raises:
        LedgerError: if it does not.
        OSError: if it cannot be asked.
    """
    backup, asked = _followed(home), home / _ASKED
    replace_file(asked, json.dumps({"at": time.time()}).encode())
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        if not (home / STANDBY).exists():
            identity = known_identity(home)
            if identity is not None and backup is not None:
                return Promotion(identity, backup)
        time.sleep(0.1)
    asked.unlink(missing_ok=True)
    raise LedgerError(
        f"the process that stands by in {home} did not take the place within {within_s:.0f} s; its log says why: mend "
        "that, or stop it, and try again"
    )


def is_asked_to_promote(home: Path) -> bool:
    """Whether the copy in a folder is to be the ledger; asked by the process that follows."""
    if not (home / _ASKED).exists():
        return False
    (home / _ASKED).unlink(missing_ok=True)
    return True


def stand_up(
    home: Path,
    *,
    first: Callable[[], object] = lambda: None,
    clock_s: Callable[[], float] = time.time,
) -> Promotion:
    """Make a copy the ledger: of an epoch above all that have been, so that senders turn to it and from the other.

    The caller is its one writer. Its epoch is the time in seconds, or one more than there was: another copy, or the old
    ledger restored meanwhile, comes to another. Killed in the middle, it is done again.

    Args:
        home: the copy's folder.
        first: what is to be done before.
        clock_s: the time, unix seconds.

    Raises:
        LedgerError: if it is no copy, not all of one, or another has taken the place already.
        OSError: if it cannot be written.
    """
    if not (home / STANDBY).exists():
        raise LedgerError(
            f"{home} does not stand by: `genai-cost ledger standby BACKUPS --ledger {home}` has it follow a ledger"
        )
    refuse_half_restored(home)
    backup, said = _followed(home), facts_of(home / STANDBY)
    identity = known_identity(home)
    if backup is None or not there(home):
        raise LedgerError(
            f"{home} has followed no backup yet; see that there is one in {said.get('folder')}"
        )
    taking = _taking(home, identity, int(clock_s()))
    folder = Path(str(said.get("folder")))
    _refuse_late(home, folder, taking.id)
    first()
    if identity is not None:
        note_successor(folder, Identity(identity.id, taking.epoch), taking.id)
    raised = promote(home, epoch=taking.epoch)
    bring_to_disk(home)
    (home / STANDBY).rename(home / _TAKEN)
    bring_to_disk(home)
    return Promotion(raised, backup)


def has_taken_place(home: Path, folder: Path) -> bool:
    """Whether the ledger in a folder is one that stood by for the ledger of these backups before.

    Args:
        home: the ledger's folder.
        folder: where the backups are kept.

    Raises:
        LedgerError: if yet another one has taken its place since.
    """
    if (home / STANDBY).exists() or not there(home):
        return False
    if facts_of(home / _TAKEN).get("folder") != str(folder.absolute()):
        return False
    _refuse_late(home, folder, "")
    return True


def _taking(home: Path, identity: Identity | None, now_s: int) -> Identity:
    """What this copy is called while it takes the place, and the epoch that it takes; noted, so that it is the same
    where it is done again."""
    said = facts_of(home / STANDBY)
    copy, epoch = said.get("copy"), said.get("epoch")
    if isinstance(copy, str) and type(epoch) is int:
        return Identity(copy, epoch)
    taking = Identity(uuid4().hex, max(now_s, identity.epoch + 1 if identity else 1))
    noted = {**said, "copy": taking.id, "epoch": taking.epoch}
    replace_file(home / STANDBY, as_json(noted))
    bring_to_disk(home)
    return taking


def _refuse_late(home: Path, folder: Path, copy: str) -> None:
    try:
        refuse_followed(home, folder, copy)
    except OSError as error:  # gone with the zone, perhaps: that is what a copy is for
        _logger.warning("whether another copy has taken the place is not known: %s", error)
