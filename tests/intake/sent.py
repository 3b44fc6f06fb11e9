"""A sender of the tests' own making: a segment's bytes, sent by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from otel_genai_cost.forwarding.wire import Lines, Refusal
from otel_genai_cost.intake.disk import Disk
from otel_genai_cost.intake.replica import Cut, RefusedError, Replica
from otel_genai_cost.journal.bound import UNBOUND, Bound
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.segment import Journal

__all__ = ["NAME", "begun", "line_ends", "put", "refused", "written"]

NAME = "0000000000000001-00aa"


def written(folder: Path, count: int = 20) -> bytes:
    """The bytes of a segment with so many records and a seal."""
    journal = Journal([folder])
    for n in range(count):
        assert journal.append({"n": n, "text": "é" * (n % 7)})
    journal.close()
    (path,) = segments(folder)
    return path.read_bytes()


def line_ends(content: bytes) -> Iterator[int]:
    """Where each line ends."""
    at = 0
    while (at := content.find(b"\n", at) + 1) > 0:
        yield at


def begun(
    journal: Path, disk: Disk | None = None, bound: Bound = UNBOUND
) -> tuple[Replica, list[Cut]]:
    """A receiver as it starts, and what it cut off."""
    replica = Replica(journal, disk or Disk(), bound=bound)
    return replica, list(replica.begin())


def put(replica: Replica, lines: Lines, sender: str = "shop") -> None:
    """Send a stretch, and wait until it is acknowledged.

    Raises:
        RefusedError: if it is refused.
    """
    one = replica.take(sender, lines)
    if one is not None:
        replica.commits.wait(one)
        if replica.segment(sender, lines.segment) in one.failed:
            raise RefusedError("FULL", "not brought onto the disk")


def refused(replica: Replica, lines: Lines, sender: str = "shop") -> Refusal | None:
    """Why a stretch is refused; None if it is not."""
    try:
        put(replica, lines, sender)
    except RefusedError as error:
        return error.refusal
    return None
