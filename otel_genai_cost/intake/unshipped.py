"""What of journals' folders has not gone on yet: how many bytes, for how long, and what those calls cost.

Asked for a figure now and then, never for each call. What was counted once is not read again, but for the stretch that
is acknowledged in part.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import JournalError
from otel_genai_cost.forwarding.folder import JournalFolder
from otel_genai_cost.journal.codec import decode
from otel_genai_cost.journal.reader import checksum_holds, segments
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import ATTO, parse_money
from otel_genai_cost.transport.exposition import family

__all__ = ["Counting", "Left", "Unshipped", "Waiting", "left_in", "unbooked"]

_STRETCH_BYTES: Final = 64 * 1024
_JSON_AT: Final = 9


class Left(NamedTuple):
    """What has not gone on of a segment: the file, how much of it has, and how long it is."""

    segment: Path
    offset: int
    size: int

    @property
    def bytes(self) -> int:
        """How much is left."""
        return max(0, self.size - self.offset)


def left_in(folders: Iterable[Path]) -> Iterator[Left]:
    """The segments of folders that have not gone on whole; nothing where one may not look.

    Args:
        folders: of journals.
    """
    for path in folders:
        folder = JournalFolder(path)
        with suppress(OSError):
            for stem, size in folder.segments():
                offset = folder.position(stem).offset
                if offset < size and not folder.is_marked(stem, size):
                    yield Left(path / f"{stem}.jsonl", offset, size)


def unbooked(ledger: Ledger, folders: Iterable[Path]) -> Iterator[Left]:
    """The segments that a ledger has not read whole; nothing where one may not look.

    Args:
        ledger: that reads them.
        folders: of its journals.
    """
    for folder in folders:
        with suppress(OSError):
            yield from filter(None, (_unread(ledger, path) for path in segments(folder)))


def _unread(ledger: Ledger, segment: Path) -> Left | None:
    cursor = ledger.cursors.of(str(segment))
    try:
        size = segment.stat().st_size
    except OSError:  # deleted meanwhile, as what is booked is; the others of its folder count
        return None
    is_read = cursor.finished or size <= cursor.byte_offset
    return None if is_read else Left(segment, cursor.byte_offset, size)


class _Stretch(NamedTuple):
    """Lines of a segment, from a byte up to another, and what their calls cost, in atto dollars."""

    start: int
    end: int
    usd: int


class Waiting(NamedTuple):
    """What has not gone on.

    Attributes:
        bytes: of journals.
        seconds: for how long some of it has waited.
        usd: what the calls in them cost, in atto dollars, as far as they say.
    """

    bytes: int
    seconds: float
    usd: int


class Unshipped:
    """Counts what has not gone on.

    Args:
        folders: of journals, asked for each time.
    """

    def __init__(self, folders: Callable[[], Iterable[Path]]) -> None:
        self._folders, self._counting = folders, Counting()

    def figures(self) -> Iterator[str]:
        """As text for Prometheus."""
        now = self._counting.of(left_in(self._folders()))
        for name, help_, value in (
            ("unshipped_bytes", "Bytes of journals that have not gone on.", now.bytes),
            ("unshipped_seconds", "Since when something has waited to go on.", now.seconds),
            ("unshipped_usd", "What the calls in them cost, in USD.", now.usd / ATTO),
        ):
            yield from family(name, help_, {"": value})


class Counting:
    """Remembers what it counted of segments, so that it is not read again."""

    def __init__(self) -> None:
        self._counted: dict[Path, deque[_Stretch]] = {}
        self._since_s: dict[Path, tuple[int, float]] = {}

    def of(self, left: Iterable[Left]) -> Waiting:
        """The figures as they are now.

        Args:
            left: all that has not gone on.
        """
        left = list(left)
        self._forget({one.segment for one in left})
        usd = sum(map(self._usd, left))
        return Waiting(sum(one.bytes for one in left), self._age_s(left), usd)

    def _forget(self, segments: set[Path]) -> None:
        for gone in self._counted.keys() - segments:
            del self._counted[gone]
        for gone in self._since_s.keys() - segments:
            del self._since_s[gone]

    def _age_s(self, left: Iterable[Left]) -> float:
        """Since when a segment has not gone on, as far as it was asked."""
        now_s, oldest_s = time.monotonic(), 0.0
        for one in left:
            offset, since_s = self._since_s.get(one.segment, (-1, now_s))
            if offset != one.offset:
                since_s = self._first_s(one, now_s)
            self._since_s[one.segment] = (one.offset, since_s)
            oldest_s = max(oldest_s, now_s - since_s)
        return oldest_s

    def _first_s(self, one: Left, now_s: float) -> float:
        """Nobody asked since it stopped: it was written last at this time, at the latest."""
        try:
            return now_s - max(0.0, time.time() - one.segment.stat().st_mtime)
        except OSError:
            return now_s

    def _usd(self, one: Left) -> int:
        stretches = self._counted.setdefault(one.segment, deque())
        while stretches and stretches[0].end <= one.offset:
            stretches.popleft()
        if stretches and stretches[0].start < one.offset:  # acknowledged in part
            again = list(_stretches(one.segment, one.offset, stretches.popleft().end))
            stretches.extendleft(reversed(again))
        at = stretches[-1].end if stretches else one.offset
        stretches.extend(_stretches(one.segment, at, one.size))
        return sum(each.usd for each in stretches)


def _stretches(segment: Path, at: int, size: int) -> Iterator[_Stretch]:
    with suppress(OSError), segment.open("rb") as file:
        file.seek(at)
        while at < size and (content := file.read(min(_STRETCH_BYTES, size - at))):
            if not content.endswith(b"\n"):
                content += file.readline()
            yield _Stretch(at, at + len(content), sum(map(_cost, content.split(b"\n"))))
            at += len(content)


def _cost(line: bytes) -> int:
    """What the call of a line costs, in atto dollars, as far as it says."""
    if not checksum_holds(line):
        return 0
    try:
        cost: Any = decode(line[_JSON_AT:]).get("cost")
        if cost.get("currency", "USD") != "USD" or "total" not in cost:
            return 0
        return parse_money(cost["total"])
    except (JournalError, AttributeError, TypeError, ValueError):
        return 0
