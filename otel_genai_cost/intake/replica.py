"""The journals of senders as folders here: a stretch of bytes at its place, once.

A segment's file is a prefix of what its sender wrote. What comes again is compared with what is there; what would leave
a hole is refused, with how much there is; nothing is ever written over. What was not acknowledged when the power failed
may have come to the disk in part: at the next start it is cut off, and comes again. A sender whose power failed may
have less than it sent, or rubbish at its end: what is here is what it wrote, and stays.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.forwarding.wire import WANTED, BookFile, Lines, Refusal, RefusalReason
from otel_genai_cost.intake.commits import Change, Commits, Round, kept_bytes, kept_mark
from otel_genai_cost.intake.cut_copy import is_cut_copy
from otel_genai_cost.intake.disk import Disk
from otel_genai_cost.intake.offers import Offers
from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.journal.bound import UNBOUND, Bound, room
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.ingested import MARKS, marked_bytes
from otel_genai_cost.journal.open_segment import FORMAT
from otel_genai_cost.journal.reader import LINE_LIMIT_BYTES, checksum_holds, record_of
from otel_genai_cost.journal.receiving import RECEIVING, mark_place, senders
from otel_genai_cost.pricing.load import read_lock

__all__ = ["Cut", "RefusedError", "Replica", "is_sender_name"]

_logger = logging.getLogger("otel_genai_cost")

_SENDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_TAKEN: Final = frozenset((RECEIVING, MARKS, "books"))
"""Names that a journal's folder has for something else."""

_BOOKS_MAX: Final = 256
_LOOK_EVERY_S: Final = 10.0
_AHEAD_MAX_US: Final = 86_400_000_000
_START: Final = re.compile(rb'(?<!\\)"start_us":([0-9]{1,20})')


class RefusedError(Exception):
    """A part of a request is not taken.

    Args:
        reason: why, as a word.
        message: why, and what to do.
        metadata: of what.
    """

    def __init__(self, reason: RefusalReason, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message, metadata)


class Cut(NamedTuple):
    """A segment of which a start cut off what was not acknowledged: how long it was, and is."""

    segment: Path
    before: int
    after: int


def is_sender_name(name: str) -> bool:
    """Whether a text may be a sender's name, and its folder's."""
    return _SENDER.fullmatch(name) is not None and name not in _TAKEN


class Replica:
    """The folders of all senders. Safe for threads; one process at a time.

    Args:
        journal: the folder that they are in.
        disk: where it is.
        bound: how much each sender's may hold.
        reserve_bytes: how much of the disk is left to others, a ledger beside it above all.
        gone_bytes: how long a segment was that is not here any more, being elsewhere; None if it never was here whole.
        clock_us: the time, unix microseconds.

    Attributes:
        commits: what brings everything onto the disk.
        taken_bytes: how many bytes of segments were new.
        taken_books: how many price books came with their bytes.
    """

    def __init__(
        self,
        journal: Path,
        disk: Disk,
        *,
        bound: Bound = UNBOUND,
        reserve_bytes: int = 0,
        gone_bytes: Callable[[Path], int | None] = marked_bytes,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._journal, self._disk, self._bound = journal, disk, bound
        self._reserve_bytes, self._clock_us = reserve_bytes, clock_us
        self._gone_bytes = gone_bytes
        self._files = OsFiles()
        self._granted: dict[Path, tuple[int, float]] = {}
        self.commits = Commits(disk)
        self.taken_bytes = self.taken_books = 0
        self._offers = Offers()

    def folder(self, sender: str) -> Path:
        """Where a sender's segments are."""
        return self._journal / sender

    def segment(self, sender: str, name: str) -> Path:
        """Where a sender's segment is."""
        return self._journal / sender / f"{name}.jsonl"

    def open_segments(self) -> int:
        """Of how many segments more is to come."""
        return sum(
            not mark.name.startswith(".")
            for one in senders(self._journal)
            for mark in (one / RECEIVING).iterdir()
        )

    def why_full(self) -> str | None:
        """Why nothing can be taken; None if something can."""
        try:
            is_full = self._disk.free_bytes(self._journal) < self._reserve_bytes
        except OSError as error:
            return str(error)
        return "the disk is full" if is_full else None

    def begin(self) -> Iterator[Cut]:
        """Cut off what of unfinished segments may not be what was sent; before anything is taken.

        Raises:
            OSError: if a folder cannot be read or written.
        """
        self._disk.make_folder(self._journal)
        for folder in senders(self._journal):
            for place in sorted((folder / RECEIVING).iterdir()):
                segment = folder / f"{place.name}.jsonl"
                size = self._disk.size(segment)
                if size is None:  # the power failed before its first bytes were on the disk
                    self._disk.remove(place)
                    continue
                after = self._whole(segment, size)
                if after < size:
                    self._disk.truncate(segment, after)
                    yield Cut(segment, size, after)
                self._disk.sync(segment)
                self._disk.put(place, kept_mark(after))
            self._disk.sync(folder)

    def _whole(self, segment: Path, size: int) -> int:
        """Up to where a segment is what was sent. A volume that came back old may have less than its mark says."""
        at = min(size, kept_bytes(self._disk, segment))
        with segment.open("rb") as file:
            file.seek(at)
            while line := file.readline(LINE_LIMIT_BYTES):
                if not line.endswith(b"\n") or not checksum_holds(line[:-1]):
                    break
                at += len(line)
        return at

    def take(self, sender: str, lines: Lines) -> Round | None:
        """Append what is new of a stretch.

        Args:
            sender: whose it is.
            lines: the stretch.

        Returns:
            The round that brings it onto the disk; None where nothing is left to be brought there.

        Raises:
            RefusedError: if it is not taken.
        """
        segment = self.segment(sender, lines.segment)
        _check(lines, self._clock_us())
        try:
            with self.commits.writing:
                return self._take(segment, lines)
        except OSError as error:
            raise self._full(segment.parent, str(error)) from None

    def _take(self, segment: Path, lines: Lines) -> Round | None:
        size, is_open = self._disk.size(segment), self._disk.size(mark_place(segment)) is not None
        if size is None:
            is_nothing = not lines.content and not lines.offset
            if is_nothing or self._is_gone(segment, lines):
                return None
            self._refuse_strangers(segment)
            size, is_open = 0, True
        if lines.offset > size:
            raise RefusedError(
                "HOLE",
                f"{lines.segment} is here up to byte {size}, and goes on at {lines.offset}",
                segment=lines.segment,
                have=str(size),
            )
        self._compare(segment, size, lines, is_open)
        new = lines.content[size - lines.offset :]
        if not is_open or not (new or lines.finished):
            return self.commits.pending(segment)
        return self._append(segment, size, new, lines.finished)

    def _compare(self, segment: Path, size: int, lines: Lines, is_open: bool) -> None:
        end, known = lines.offset + len(lines.content), lines.content[: size - lines.offset]
        here = (
            self._disk.read(segment, lines.offset, len(known) + LINE_LIMIT_BYTES) if known else b""
        )
        is_same = here.startswith(known)
        if not is_same and not is_cut_copy(here, lines.content, len(known)):
            raise _different(lines, "other bytes are here already")
        if end > size and not is_open:
            raise _different(lines, f"it was finished at byte {size}")
        if is_open and (not is_same or (lines.finished and end < size)):
            _logger.warning(
                "%s: its sender has less of it than it sent, since its power failed; all %d bytes that came are kept",
                segment,
                size,
            )

    def _append(self, segment: Path, size: int, new: bytes, is_finished: bool) -> Round:
        if new:
            self._make_room(segment.parent, len(new))
            if not size:
                self._begin_segment(segment)
            self._disk.append(segment, size, new)
            self.taken_bytes += len(new)
        *whole, rest = new.split(b"\n")
        change = Change(
            start=size,
            end=size + len(new),
            is_new=not size,
            is_damaged=bool(rest) or not all(map(checksum_holds, whole)),
            is_finished=is_finished,
        )
        return self.commits.note(segment, change)

    def _is_gone(self, segment: Path, lines: Lines) -> bool:
        """Whether all of a segment was here, and its file was not needed any more."""
        gone = self._gone_bytes(segment)
        if gone is not None and lines.offset + len(lines.content) > gone:
            raise _different(lines, f"it was finished at byte {gone}")
        return gone is not None

    def _refuse_strangers(self, segment: Path) -> None:
        for folder in senders(self._journal):
            if folder != segment.parent and self._disk.size(folder / segment.name) is not None:
                raise RefusedError(
                    "FORBIDDEN",
                    f"{segment.stem} is another sender's; send it with the token that it was begun with",
                    segment=segment.stem,
                )

    def _begin_segment(self, segment: Path) -> None:
        """Its mark is on the disk before it has a name: without one it would be finished."""
        self._disk.make_folder(segment.parent)
        self._disk.make_folder(segment.parent / RECEIVING)
        self._disk.put(mark_place(segment), kept_mark(0))

    def _make_room(self, folder: Path, size: int) -> None:
        if self._disk.free_bytes(self._journal) < self._reserve_bytes + size:
            raise self._full(folder, "the disk is full")
        if not self._bound.limit_bytes or not self._disk.size(folder):
            return
        left, looked_s = self._granted.get(folder, (0, 0.0))
        now_s = time.monotonic()
        if left < size or now_s - looked_s > _LOOK_EVERY_S:
            left = room(self._files, folder, self._bound).share_bytes
        if left < size:
            raise self._full(folder, f"it may hold {self._bound.limit_bytes >> 20} MiB")
        self._granted[folder] = (left - size, now_s)

    def _full(self, folder: Path, why: str) -> RefusedError:
        return RefusedError(
            "FULL",
            f"no room in {folder.name}'s folder ({why}): nothing is lost as long as its sender keeps it; free some "
            "space, or see that what is here goes on",
        )

    def look_for(self, sender: str, digest: str) -> None:
        """Keep a price book that is here already, be it another sender's: whoever knows the digest has the book.

        Args:
            sender: whose lines name it.
            digest: what it is called.

        Raises:
            RefusedError: if it is not here; says whether it is this sender's turn to send it.
        """
        own = self.folder(sender)
        for folder in (own, *(each for each in senders(self._journal) if each != own)):
            lock = stored_book(folder, digest)
            if lock is not None:
                if folder != own:
                    self.keep(sender, BookFile(digest, lock))
                return
        is_turn = self._offers.take(sender, digest, self._clock_us() / 1e6)
        raise RefusedError(
            "UNKNOWN_BOOK",
            f"the price book {digest[:12]} is not here" + ("" if is_turn else ", and on its way"),
            **{WANTED: "now" if is_turn else "later"},
        )

    def take_book(self, sender: str, book: BookFile) -> None:
        """Keep a price book that has come, as `keep` does."""
        self.taken_books += 1
        try:
            self.keep(sender, book)
        finally:
            self._offers.give_up(sender, book.digest)

    def keep(self, sender: str, book: BookFile) -> None:
        """Keep a price book that lines name, for good.

        Args:
            sender: whose lines.
            book: its lock, which is what its digest says.

        Raises:
            RefusedError: if it is none, or there is no room.
        """
        folder = self.folder(sender)
        if stored_book(folder, book.digest) is not None:
            return
        try:
            read_lock(book.content, f"books/{book.digest}.json")
        except GenAICostError as error:
            what = str(error).splitlines()[0]
            raise RefusedError("MALFORMED", f"no price book: {what}") from None
        try:
            self._disk.make_folder(folder)
            self._disk.make_folder(folder / RECEIVING)
            if sum(1 for _ in folder.glob("books/*.json")) >= _BOOKS_MAX:
                raise self._full(folder, f"{_BOOKS_MAX} price books are kept for it")
            self._make_room(folder, len(book.content))
            store_book(folder, book.digest, book.content)
            self._disk.sync(folder / "books" / f"{book.digest}.json")
            self._disk.sync(folder / "books")
        except OSError as error:
            raise self._full(folder, str(error)) from None


def _different(lines: Lines, why: str) -> RefusedError:
    return RefusedError(
        "DIFFERENT",
        f"{lines.segment}, bytes {lines.offset} to {lines.offset + len(lines.content)}: {why}; compare the two with "
        "`genai-cost journal verify`",
        segment=lines.segment,
        offset=str(lines.offset),
    )


def _check(lines: Lines, now_us: int) -> None:
    """What no bytes that are here already speak against."""
    content = lines.content
    rest = len(content) - content.rfind(b"\n") - 1
    if 0 < rest <= LINE_LIMIT_BYTES and not lines.finished:  # no line is longer: that is damage
        raise RefusedError(
            "MALFORMED", f"{lines.segment}: a line without its end, and more to come"
        )
    if not lines.offset:
        _check_format(lines.segment, content.partition(b"\n")[0])
    latest_us = max(map(int, _START.findall(content)), default=0)
    if latest_us > now_us + _AHEAD_MAX_US:
        days = (latest_us - now_us) // _AHEAD_MAX_US
        raise RefusedError(
            "CLOCK",
            f"{lines.segment} has a call that began {days} day(s) from now; set the clock of its sender, or this one: "
            "such a segment is taken once its time has come",
            segment=lines.segment,
        )


def _check_format(segment: str, line: bytes) -> None:
    header = record_of(line) or {}
    found = header.get("format")
    if header.get("type") == "header" and found != FORMAT:
        raise RefusedError(
            "NEWER",
            f"{segment} has format {str(found)[:20]}, and this receiver reads up to {FORMAT}; upgrade otel-genai-cost "
            "here first, then where calls are made",
            segment=segment,
        )
