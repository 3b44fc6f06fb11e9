"""Backups on a schedule, beside a ledger that is served: what a standby follows."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final, NamedTuple

from otel_genai_cost.errors import GenAICostError, LedgerError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.backup_folder import (
    backup_name,
    backups_in,
    is_backup_name,
    refuse_followed,
)
from otel_genai_cost.ledger.storage.backups import back_up
from otel_genai_cost.ledger.storage.identity import Identity, identity_of
from otel_genai_cost.ledger.storage.keeping import last_backup, now_us
from otel_genai_cost.transport.exposition import family

__all__ = ["BackingUp", "Schedule"]

_logger = logging.getLogger("otel_genai_cost")

_LOOK_EVERY_S: Final = 5.0
_AGAIN_S: Final = 60.0


class Schedule(NamedTuple):
    """Where backups go, how often, and how many are kept."""

    folder: Path
    every_s: float
    kept: int


class BackingUp:
    """A thread that backs a ledger up. One that is cut off by the end leaves the one before.

    Args:
        home: the ledger's folder.
        schedule: when, and where to.

    Attributes:
        followed: why this is not the ledger any more; None while it is.

    Raises:
        LedgerError: if another ledger has taken its place.
    """

    def __init__(self, home: Path, schedule: Schedule) -> None:
        self._home, self._schedule = home, schedule
        self._stop = Event()
        self._failures = 0
        self._made_s: float | None = None
        self.followed: LedgerError | None = None
        with suppress(OSError):  # a folder that is away just now is said when it is written to
            refuse_followed(home, schedule.folder)

    def start(self) -> None:
        """Begin."""
        Thread(target=self._run, name="genai-cost-backup", daemon=True).start()

    def stop(self) -> None:
        """Begin no other."""
        self._stop.set()

    def _run(self) -> None:
        due_s, look_s = 0.0, min(_LOOK_EVERY_S, self._schedule.every_s)
        while not self._stop.wait(look_s) and not self._is_followed():
            if time.monotonic() < due_s or not (self._home / LEDGER_FILE).exists():
                continue
            due_s = time.monotonic() + self._schedule.every_s
            try:
                self._back_up()
            except (GenAICostError, OSError) as error:
                self._failures += 1
                due_s = min(due_s, time.monotonic() + _AGAIN_S)
                _logger.error("no backup was made: %s; this is tried again", error)

    def _is_followed(self) -> bool:
        """Whether another ledger has taken the place: it leaves word where the backups are."""
        try:
            refuse_followed(self._home, self._schedule.folder)
        except LedgerError as error:
            self.followed = error
        except (GenAICostError, OSError) as error:
            _logger.debug("looking at the backups: %r", error)
        return self.followed is not None

    def _back_up(self) -> None:
        """Make one more, and delete what is beyond those that are kept, of this ledger's earlier lives as well."""
        folder, own = self._schedule.folder, identity_of(self._home)
        scratch = f".served-{own.id[:12]}-{own.epoch}-"  # one process serves a ledger: nobody else's begins so
        for left in folder.glob(f"{scratch}*"):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)
        back_up(self._home, folder / backup_name(now_us()), scratch)
        self._made_s = time.monotonic()
        made = sorted(
            (one.order, path)
            for path, one in backups_in(folder).items()
            if is_backup_name(path.name) and _is_of(one.identity, own)
        )
        for _, path in made[: -self._schedule.kept]:
            path.unlink(missing_ok=True)

    def figures(self) -> Iterator[str]:
        """How old the newest backup is, as text for Prometheus."""
        age_s = self._age_s()
        if age_s is not None:
            yield from family("ledger_backup_age_seconds", "Since the last backup.", {"": age_s})
        help_ = "Backups that could not be made."
        yield from family("ledger_backup_failures_total", help_, {"": self._failures})

    def _age_s(self) -> float | None:
        """Since the last backup; None before the first. Of one that this process made no clock has to be believed."""
        if self._made_s is not None:
            return time.monotonic() - self._made_s
        made = last_backup(self._home)
        return None if made is None else max(0.0, time.time() - made.made_us / 1e6)


def _is_of(one: Identity | None, own: Identity) -> bool:
    """Whether a backup is of this life of a ledger, or of an earlier one."""
    return one is not None and one.id == own.id and one.epoch <= own.epoch
