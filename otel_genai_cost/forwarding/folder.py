"""A journal's folder as its forwarder sees it: what there is to send, and how far it is sent, noted beside it.

Positions are small files of the segments' names, beside the ledger's marks: in a journal for a group a sidecar of the
group may write there and nowhere else. A position that is lost costs a stretch that is sent again, and changes nothing;
one is on the disk before a mark says that the segment may go.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, cast

from otel_genai_cost.forks import here, in_child
from otel_genai_cost.journal.books import stored_book
from otel_genai_cost.journal.files import can_lock, is_segment
from otel_genai_cost.journal.ingested import MARKS, is_marked, mark, unmark, unmark_gone
from otel_genai_cost.journal.receiving import RECEIVING
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = ["FORMAT", "NOWHERE", "Folder", "JournalFolder", "Life", "Position"]

FORMAT: Final = 1
"""Of what is noted. A newer one is as none: what it is about is offered to the receiver again."""

_POSITIONS: Final = ".forwarded"
_RECEIVER: Final = ".receiver"
_LOCK: Final = ".lock"
_SAID_MAX_BYTES: Final = 4_096
_REMEMBERED_S: Final = 14 * 86_400
"""For so long it is known what has gone on of what came from elsewhere, and was deleted here."""

_ASKED_WITHIN_S: Final = 60.0
"""For so long a segment that was deleted is known to be elsewhere: its writer, another process, asks why it is gone."""

_GROUP_FOLDER: Final = 0o2770


class Life(NamedTuple):
    """Which receiver has something: its id, and which life of it that was."""

    ledger: str
    epoch: int


class Position(NamedTuple):
    """How far a segment is acknowledged.

    Attributes:
        offset: all bytes before it are.
        finished: whether that is all of it, and the receiver knows.
        life: who acknowledged it; None for nobody that is still believed.
    """

    offset: int = 0
    finished: bool = False
    life: Life | None = None


NOWHERE: Final = Position()


class Folder(Protocol):
    """What a forwarder asks of a journal's folder. Segments go by their stems; every method may raise OSError."""

    def hold(self) -> bool:
        """Whether this forwarder, and no other, sends what is nobody's in the folder."""
        ...

    def segments(self) -> list[tuple[str, int]]:
        """The segments, oldest first, and how many bytes each has."""
        ...

    def is_finished(self, segment: str) -> bool:
        """Whether its writer is gone. Asked before the last read."""
        ...

    def read(self, segment: str, offset: int, limit: int) -> bytes:
        """At most so many bytes from there.

        Args:
            segment: its stem.
            offset: where they begin.
            limit: how many.
        """
        ...

    def books(self) -> Iterable[str]:
        """The digests of the price books that lines may name."""
        ...

    def book(self, digest: str) -> bytes | None:
        """The lock of a book; None if it is not what its name says."""
        ...

    def position(self, segment: str) -> Position:
        """How far it is acknowledged, as the last forwarder noted it."""
        ...

    def keep(self, segment: str, position: Position, *, durable: bool = False) -> None:
        """Note how far it is acknowledged.

        Args:
            segment: its stem.
            position: how far.
            durable: whether that is on the disk when this returns.
        """
        ...

    def forget(self, listed: Iterable[str]) -> None:
        """Let go of what is noted of segments that are none of these."""
        ...

    def receiver(self) -> Life | None:
        """Who acknowledged last, in the latest life that was seen of it."""
        ...

    def keep_receiver(self, life: Life) -> None: ...
    def mark(self, segment: str, size_bytes: int, ledger: str) -> None:
        """Note that all of a finished segment is durable elsewhere: leave to delete it.

        Args:
            segment: its stem.
            size_bytes: how long it is.
            ledger: who has it.
        """
        ...

    def unmark(self, segment: str) -> None:
        """Take that back."""
        ...

    def is_marked(self, segment: str, size_bytes: int) -> bool: ...
    def put_aside(self, segment: str) -> str:
        """Take a finished segment out of the journal under another name, which is returned."""
        ...


class JournalFolder:
    """The real one.

    Args:
        path: the journal's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._noted = path / MARKS / _POSITIONS
        self._held: _Lock | None = None

    def hold(self) -> bool:
        if self._held is not None and not self._held.is_ours:
            self.release()
        if self._held is None:
            self._make()
            self._held = _Lock.taken(self._noted / _LOCK)
        return self._held is not None

    def release(self) -> None:
        """Let another forwarder take over."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def segments(self) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        with os.scandir(self.path) as entries:
            for one in entries:
                if is_segment(one.name):
                    with suppress(FileNotFoundError):  # a writer made room
                        found.append((one.name.removesuffix(".jsonl"), one.stat().st_size))
        return sorted(found)

    def is_finished(self, segment: str) -> bool:
        return can_lock(self._at(segment))

    def read(self, segment: str, offset: int, limit: int) -> bytes:
        """As `Folder.read`.

        Args:
            segment: its stem.
            offset: where they begin.
            limit: how many.
        """
        with self._at(segment).open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(limit)

    def books(self) -> Iterable[str]:
        with suppress(FileNotFoundError):
            return sorted(one.stem for one in (self.path / "books").glob("[!.]*.json"))
        return ()

    def book(self, digest: str) -> bytes | None:
        return stored_book(self.path, digest)

    def position(self, segment: str) -> Position:
        said = _said(self._noted / segment)
        try:
            return Position(int(said["offset"]), said["finished"] is True, _life(said))
        except (KeyError, TypeError, ValueError):
            return NOWHERE

    def keep(self, segment: str, position: Position, *, durable: bool = False) -> None:
        """As `Folder.keep`.

        Args:
            segment: its stem.
            position: how far.
            durable: whether that is on the disk when this returns.
        """
        said = {"offset": position.offset, "finished": position.finished, **_saying(position.life)}
        self._write(segment, said, durable=durable)

    def forget(self, listed: Iterable[str]) -> None:
        remembers = (self.path / RECEIVING).is_dir()
        before_s = time.time() - _ASKED_WITHIN_S
        gone = [
            segment
            for segment in set(self._noted_segments()).difference(listed)
            if not self._at(segment).exists() and self._was_noted(segment, before_s)
        ]
        for segment in gone:
            if not remembers:
                unmark(self._at(segment))
            (self._noted / segment).unlink(missing_ok=True)
        if gone and remembers:  # its sender may ask whether it was here
            unmark_gone(self.path, time.time() - _REMEMBERED_S)

    def receiver(self) -> Life | None:
        return _life(_said(self._noted / _RECEIVER))

    def keep_receiver(self, life: Life) -> None:
        self._write(_RECEIVER, _saying(life), durable=True)

    def mark(self, segment: str, size_bytes: int, ledger: str) -> None:
        """As `Folder.mark`.

        Args:
            segment: its stem.
            size_bytes: how long it is.
            ledger: who has it.
        """
        mark(self._at(segment), size_bytes, ledger)

    def unmark(self, segment: str) -> None:
        unmark(self._at(segment))

    def is_marked(self, segment: str, size_bytes: int) -> bool:
        return is_marked(self._at(segment), size_bytes)

    def put_aside(self, segment: str) -> str:
        new = self.path / f"{segment}.different"
        self._at(segment).rename(new)
        return new.name

    def _at(self, segment: str) -> Path:
        return self.path / f"{segment}.jsonl"

    def _noted_segments(self) -> Iterator[str]:
        with suppress(FileNotFoundError), os.scandir(self._noted) as entries:
            for one in entries:
                if not one.name.startswith("."):
                    yield one.name

    def _was_noted(self, segment: str, before_s: float) -> bool:
        try:
            return (self._noted / segment).stat().st_mtime < before_s
        except FileNotFoundError:
            return False

    def _write(self, name: str, said: dict[str, Any], *, durable: bool) -> None:
        path = self._noted / name
        content = json.dumps({"format": FORMAT, **said}).encode() + b"\n"
        try:
            replace_file(path, content)
        except FileNotFoundError:
            self._make()
            replace_file(path, content)
        if durable:
            for each in (path, self._noted):
                bring_to_disk(each)

    def _make(self) -> None:
        """Whoever may write the marks may write positions."""
        if not self._noted.is_dir():
            self._noted.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._noted.parent.stat().st_mode & stat.S_IWGRP:
                with suppress(OSError):
                    self._noted.chmod(_GROUP_FOLDER)


class _Lock:
    """A lock that is this process's alone: a forked child closes its copy, so that it ends with the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._process = here()
        _locks.append(self)

    @property
    def is_ours(self) -> bool:
        """Whether it is held by this process, and was taken by it."""
        return self._descriptor is not None and self._process is here()

    @classmethod
    def taken(cls, path: Path) -> _Lock | None:
        """The lock of a file; None if another process has it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o660)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _locks.remove(self)


_locks: list[_Lock] = []


def _forked() -> None:
    for lock in tuple(_locks):
        lock.close()


in_child(_forked)


def _said(path: Path) -> dict[str, Any]:
    """What is noted; empty if nothing is, or it makes no sense."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 -- of a descriptor that follows no link
            read: Any = json.loads(file.read(_SAID_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    said = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
    return said if said.get("format", FORMAT) == FORMAT else {}


def _life(said: dict[str, Any]) -> Life | None:
    ledger, epoch = said.get("ledger"), said.get("epoch")
    return Life(ledger, epoch) if isinstance(ledger, str) and type(epoch) is int else None


def _saying(life: Life | None) -> dict[str, Any]:
    return {} if life is None else {"ledger": life.ledger, "epoch": life.epoch}
