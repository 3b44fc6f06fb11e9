"""A folder, its writers and a receiver in memory, with whatever can go wrong between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from otel_genai_cost.forwarding import wire
from otel_genai_cost.forwarding.answer import Answer
from otel_genai_cost.forwarding.folder import NOWHERE, Life, Position
from otel_genai_cost.forwarding.wire import BookFile, BookOffer, Lines, Part, Refusal, RefusalReason

__all__ = ["SimulatedFolder", "SimulatedReceiver", "refused"]


class SimulatedFolder:
    """Segments that grow by whole lines, and what is noted of them: durably, or until a power cut."""

    def __init__(self) -> None:
        self.held = True
        self.files: dict[str, bytearray] = {}
        self.finished: set[str] = set()
        self.locks: dict[str, bytes] = {}
        self.noted: dict[str, Position] = {}
        self.durable: dict[str, Position] = {}
        self.life: Life | None = None
        self.marks: dict[str, int] = {}
        self.aside: dict[str, bytes] = {}

    def write(self, segment: str, content: bytes) -> None:
        self.files.setdefault(segment, bytearray()).extend(content)

    def make_room(self) -> None:
        """As a writer does: what is marked and finished goes."""
        for segment, size in self.marks.items():
            if segment in self.finished and len(self.files.get(segment, b"")) == size:
                self.files.pop(segment, None)

    def lose_power(self) -> None:
        self.noted = dict(self.durable)

    def hold(self) -> bool:
        return self.held

    def segments(self) -> list[tuple[str, int]]:
        return sorted((name, len(content)) for name, content in self.files.items())

    def is_finished(self, segment: str) -> bool:
        if segment not in self.files:
            raise FileNotFoundError(segment)
        return segment in self.finished

    def read(self, segment: str, offset: int, limit: int) -> bytes:
        return bytes(self.files[segment][offset : offset + limit])

    def books(self) -> Iterable[str]:
        return sorted(self.locks)

    def book(self, digest: str) -> bytes | None:
        lock = self.locks[digest]
        return lock if sha256(lock).hexdigest() == digest else None

    def position(self, segment: str) -> Position:
        return self.noted.get(segment, NOWHERE)

    def keep(self, segment: str, position: Position, *, durable: bool = False) -> None:
        self.noted[segment] = position
        if durable:
            self.durable[segment] = position

    def forget(self, listed: Iterable[str]) -> None:
        gone = {one for one in self.noted if not one.startswith(".")}.difference(listed)
        for segment in gone:
            del self.noted[segment]
            self.durable.pop(segment, None)
            self.marks.pop(segment, None)

    def receiver(self) -> Life | None:
        return self.life

    def keep_receiver(self, life: Life) -> None:
        self.life = life

    def mark(self, segment: str, size_bytes: int, ledger: str) -> None:
        assert segment in self.durable, "a mark before its position is on the disk"
        self.marks[segment] = size_bytes

    def unmark(self, segment: str) -> None:
        self.marks.pop(segment, None)

    def is_marked(self, segment: str, size_bytes: int) -> bool:
        return self.marks.get(segment) == size_bytes

    def put_aside(self, segment: str) -> str:
        self.aside[segment] = bytes(self.files.pop(segment))
        return f"{segment}.different"


def refused(
    reason: RefusalReason, life: Life | None, retry_after_s: float | None = None, **said: object
) -> Answer:
    metadata = {key: str(value) for key, value in said.items()}
    refusal = Refusal(reason, f"refused: {reason}", metadata)
    return Answer(wire.STATUS_OF[reason], life, refusal, retry_after_s)


class SimulatedReceiver:
    """What a receiver does, in memory: it appends what follows, compares what it has, refuses holes.

    `fault` is what becomes of the next request: `lost` it never arrives, `unanswered` it is taken and the answer lost,
    `part` its first half is taken and the answer is BUSY; or a reason to refuse it.
    """

    def __init__(self, ledger: str = "ledger") -> None:
        self.life = Life(ledger, 1)
        self.files: dict[str, bytearray] = {}
        self.finished: set[str] = set()
        self.books: dict[str, bytes] = {}
        self.fault = ""
        self.limit = 1 << 30
        self.requests: list[tuple[Part, ...]] = []
        self.seen: Life | None = None
        self.is_new = self.is_older = False
        self.wanted = "now"
        self.strangers: set[str] = set()

    def send(self, parts: Sequence[Part], seen: Life | None) -> Answer:
        is_first, self.is_new = self.is_new, False
        return self._answer(parts, seen)._replace(is_first=is_first)

    def _answer(self, parts: Sequence[Part], seen: Life | None) -> Answer:
        self.requests.append(tuple(parts))
        self.seen = seen
        fault, self.fault = self.fault, ""
        if fault == "lost":
            return Answer(0, refusal=Refusal(None, "no route"))
        if fault == "part":
            self._take(parts[: len(parts) // 2])
            return refused("BUSY", self.life, 1.0)
        if fault == "gateway":
            return Answer(502, refusal=Refusal(None, "<html>"))
        if fault in wire.REFUSAL_REASONS:
            return refused(fault, self.life)
        if seen is not None and seen.ledger == self.life.ledger and seen.epoch > self.life.epoch:
            return refused("FENCED", self.life, epoch=self.life.epoch)
        if sum(len(part.content) for part in parts) > self.limit:
            return refused("TOO_LARGE", self.life)
        answer = self._take(parts)
        return Answer(0, refusal=Refusal(None, "reset")) if fault == "unanswered" else answer

    def close(self) -> None: ...

    def _take(self, parts: Sequence[Part]) -> Answer:
        for part in parts:
            if isinstance(part, BookFile):
                self.books[part.digest] = part.content
            elif isinstance(part, BookOffer):
                if self.is_older:
                    return refused("MALFORMED", self.life)
                if part.digest not in self.books:
                    return refused("UNKNOWN_BOOK", self.life, wanted=self.wanted)
            elif (answer := self._append(part)) is not None:
                return answer
        return Answer(200, self.life)

    def _append(self, lines: Lines) -> Answer | None:
        if lines.segment in self.strangers:
            return refused("FORBIDDEN", self.life, segment=lines.segment)
        have = self.files.setdefault(lines.segment, bytearray())
        if lines.offset > len(have):
            return refused("HOLE", self.life, segment=lines.segment, have=len(have))
        known = have[lines.offset : lines.offset + len(lines.content)]
        if bytes(known) != lines.content[: len(known)]:
            return refused("DIFFERENT", self.life, segment=lines.segment, offset=lines.offset)
        rest = lines.content[len(known) :]
        assert not rest or lines.segment not in self.finished, "more of what was finished"
        have.extend(rest)
        if lines.finished:
            self.finished.add(lines.segment)
        else:
            assert lines.content.endswith(b"\n") or not lines.content, "half a line"
        return None
