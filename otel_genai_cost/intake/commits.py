"""One round of bringing things onto the disk for all requests that wait for it.

Whoever waits first makes the round; what is written meanwhile is for the next. What a round could not bring there is
cut off again: its sender is refused and sends it anew, and a page that the system has given up is not taken for a
written one.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from threading import Condition, Lock
from typing import Any, Final, NamedTuple

from otel_genai_cost.intake.disk import Disk
from otel_genai_cost.journal.receiving import mark_place

__all__ = ["Change", "Commits", "Round", "kept_bytes", "kept_mark"]

_logger = logging.getLogger("otel_genai_cost")

_KEEP_EVERY_BYTES: Final = 4 << 20
"""After so much, the mark of a segment says how far it is safe, so that not all of it is read at the next start."""


class Change(NamedTuple):
    """What was done to a segment since the last round.

    Attributes:
        start: from where on it is not known to be on the disk.
        end: how long it is.
        is_new: whether its folder has to be brought there as well.
        is_damaged: whether a line of it is as its sender has it, and yet not whole.
        is_finished: whether nothing follows.
    """

    start: int
    end: int
    is_new: bool = False
    is_damaged: bool = False
    is_finished: bool = False

    def plus(self, later: Change) -> Change:
        """Both of them."""
        return Change(
            min(self.start, later.start),
            max(self.end, later.end),
            self.is_new or later.is_new,
            self.is_damaged or later.is_damaged,
            self.is_finished or later.is_finished,
        )


class Round:
    """What is brought onto the disk together.

    Attributes:
        changes: by segment.
        failed: what could not be brought there.
        is_done: whether all the rest is there.
    """

    def __init__(self) -> None:
        self.changes: dict[Path, Change] = {}
        self.failed: set[Path] = set()
        self.is_done = False


class Commits:
    """Rounds, one after the other. Safe for threads.

    Attributes:
        writing: held by whoever changes segments.
        rounds: how many there were.
        seconds: how long they took together.
        failures: how many segments could not be brought onto the disk.
        last_s: when the last one ended, on the monotonic clock; None before the first.

    Args:
        disk: where they are brought.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.writing = Lock()
        self._changed = Condition()
        self._next, self._is_busy = Round(), False
        self._last = Round()
        self.rounds = self.failures = 0
        self.seconds = 0.0
        self.last_s: float | None = None

    def note(self, segment: Path, change: Change) -> Round:
        """What was just done to a segment, with `writing` held since before; the round that it is in."""
        with self._changed:
            known = self._next.changes.get(segment)
            self._next.changes[segment] = change if known is None else known.plus(change)
            return self._next

    def pending(self, segment: Path) -> Round | None:
        """The last round that a segment is in and that is not done; None if all of it is on the disk."""
        with self._changed:
            for one in (self._next, self._last):
                if segment in one.changes and not one.is_done:
                    return one
        return None

    def wait(self, one: Round) -> None:
        """Wait until a round is done, or make it."""
        while True:
            with self._changed:
                while self._is_busy and not one.is_done:
                    self._changed.wait()
                if one.is_done:
                    return
                mine, self._next, self._is_busy = self._next, Round(), True
                self._last = mine
            try:
                self._make(mine)
            except BaseException:  # what nobody has looked for acknowledges nothing
                mine.failed.update(mine.changes)
                raise
            finally:
                with self._changed:
                    mine.is_done, self._is_busy = True, False
                    self._changed.notify_all()

    def _make(self, mine: Round) -> None:
        began_s = time.monotonic()
        for segment, change in mine.changes.items():
            if segment not in mine.failed:
                self._bring(mine, segment, change)
        self.last_s = time.monotonic()
        self.rounds += 1
        self.seconds += self.last_s - began_s

    def _bring(self, mine: Round, segment: Path, change: Change) -> None:
        try:
            self._disk.sync(segment)
            if change.is_new:
                self._disk.sync(segment.parent)
            self._mark(segment, change)
        except OSError as error:
            self.failures += 1
            _logger.error(
                "%s cannot be brought onto the disk (%s): its sender is told to come again; look at the disk",
                segment,
                error,
            )
            self._cut(mine, segment, change.start)

    def _mark(self, segment: Path, change: Change) -> None:
        place = mark_place(segment)
        if change.is_finished:
            self._disk.remove(place)
            self._disk.sync(place.parent)
        elif change.is_damaged or change.end - kept_bytes(self._disk, segment) > _KEEP_EVERY_BYTES:
            self._disk.put(place, kept_mark(change.end))

    def _cut(self, mine: Round, segment: Path, start: int) -> None:
        """What was written behind it meanwhile goes as well; the segment is not finished, whatever was to become of
        it."""
        with self.writing, self._changed:
            mine.failed.add(segment)
            if segment in self._next.changes:
                self._next.failed.add(segment)
            try:
                self._disk.truncate(segment, start)
                self._disk.put(mark_place(segment), kept_mark(start))
            except OSError as error:
                _logger.error("%s cannot be cut off either: %s", segment, error)


def kept_mark(size: int) -> bytes:
    """What the mark of a segment says of which so many bytes are on the disk, and as their sender has them."""
    return json.dumps({"kept": size}).encode() + b"\n"


def kept_bytes(disk: Disk, segment: Path) -> int:
    """What a segment's mark says of that; 0 where it says nothing."""
    place = mark_place(segment)
    try:
        said: Any = json.loads(disk.read(place, 0, disk.size(place) or 0))
        return max(0, int(said["kept"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 0
