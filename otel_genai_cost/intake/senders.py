"""The senders of a journal: how much of each is still to come, when it was last heard of, and that one has left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.intake.disk import Disk
from otel_genai_cost.intake.receiver import heard_us
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.receiving import RECEIVING, mark_place, senders
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["SenderState", "leave", "sender_states", "silent_senders"]

_SILENT_AFTER_US: Final = 15 * 60_000_000
"""A sender that lives is heard of every minute, whether it has calls or not."""


class SenderState(NamedTuple):
    """A sender.

    Attributes:
        name: its name.
        folder: where its segments are.
        segments: how many there are.
        open: of how many more is to come.
        heard_us: when it was last heard of, unix microseconds; None if nothing says so.
    """

    name: str
    folder: Path
    segments: int
    open: int
    heard_us: int | None

    def record(self) -> dict[str, Any]:
        """As JSON."""
        heard = None if self.heard_us is None else rfc3339(self.heard_us)
        return {
            "sender": self.name,
            "segments": self.segments,
            "open": self.open,
            "heard": heard,
        }


def sender_states(journal: Path) -> Iterator[SenderState]:
    """The senders of a journal's folder."""
    for folder in senders(journal):
        segs, still = segments(folder), len(_open(folder))
        yield SenderState(folder.name, folder, len(segs), still, heard_us(folder))


def silent_senders(journal: Path, now_us: int | None = None) -> Iterator[SenderState]:
    """Those of which more is to come, and nothing is heard.

    Args:
        journal: the folder.
        now_us: the time, unix microseconds; None for that of the clock.
    """
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    for one in sender_states(journal):
        if one.open and now_us - (one.heard_us or 0) > _SILENT_AFTER_US:
            yield one


def leave(home: Path, one: SenderState) -> int:
    """Take it for certain that nothing more comes of a sender's segments, for good: its calls that have begun end.

    Args:
        home: the ledger's folder, whose own journal says so.
        one: the sender.

    Returns:
        How many segments were finished by that.

    Raises:
        LedgerError: if it cannot be written down.
        OSError: if a mark cannot be removed.
    """
    names = _open(one.folder)
    event = {"type": "left", "sender": one.name, "segments": names}
    decide(home, {**event, "at_us": time.time_ns() // 1000})
    disk = Disk()
    for name in names:
        disk.remove(mark_place(one.folder / f"{name}.jsonl"))
    disk.sync(one.folder / RECEIVING)
    return len(names)


def _open(folder: Path) -> list[str]:
    names = (path.name for path in (folder / RECEIVING).iterdir())
    return sorted(name for name in names if not name.startswith("."))
