"""Sending what a folder has: stretch by stretch, oldest first, until the receiver has acknowledged all of it.

Nothing here waits or knows of threads: a round sends what there is, and says whether the receiver took it. What it
acknowledged is noted beside the segment. A receiver that has less than it acknowledged (its volume came back old, or it
is another) is sent what it lacks; one of an earlier life than has been seen is sent nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

from otel_genai_cost.forwarding.answer import Answer, Receiver
from otel_genai_cost.forwarding.folder import NOWHERE, Folder, Life, Position
from otel_genai_cost.forwarding.messages import Complaints
from otel_genai_cost.forwarding.wire import (
    RECORD_MAX_BYTES,
    REQUEST_MAX_BYTES,
    WANTED,
    BookFile,
    BookOffer,
    Lines,
    Part,
    Refusal,
)

__all__ = ["Forwarder"]

_logger = logging.getLogger("otel_genai_cost")

_ASK_EVERY_S: Final = 60.0
"""So often is a receiver asked whether it still has what it acknowledged: who has no calls hears of nothing else."""

_BOOK_NOTE: Final = ".book-"
"""What is noted of a price book begins so: no segment's name does."""

_SKIPPED_ROUNDS: Final = 120
"""So many rounds a segment is left out that was refused by itself."""

_STRETCH_MIN_BYTES: Final = 16_384
"""Below that a receiver's limit is none that one can send by."""


class Forwarder:
    """One folder on its way to one receiver.

    Args:
        folder: the journal's.
        receiver: where it goes.
        complain: says what is wrong, not too often.
        request_bytes: how many bytes of lines a request has at most.
        monotonic_s: the monotonic clock, in seconds.
    """

    def __init__(
        self,
        folder: Folder,
        receiver: Receiver,
        complain: Complaints,
        request_bytes: int = REQUEST_MAX_BYTES,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._receiver, self._complain = folder, receiver, complain
        self._request_bytes = self._request_max_bytes = request_bytes
        self._positions: dict[str, Position] = {}
        self._confirmed: set[str] = set()
        self._aside: set[str] = set()
        self._skipped: dict[str, int] = {}
        self._books: set[tuple[Life | None, str]] = set()
        self._books_aside: set[str] = set()
        self._has_lost = False
        self._life = folder.receiver()
        self._monotonic_s, self._asked_s = monotonic_s, monotonic_s()

    def round(
        self, own: Collection[str] = (), *, is_urgent: Callable[[], bool] = lambda: False
    ) -> Answer | None:
        """Send what there is.

        Args:
            own: segments that go first; alone, if another forwarder holds the folder.
            is_urgent: whether somebody waits for what is new, so that this round ends early.

        Returns:
            The answer that ended it, if there is nothing to be done but to wait.

        Raises:
            OSError: if the folder cannot be read.
        """
        self._skipped = {stem: left - 1 for stem, left in self._skipped.items() if left}
        if self._monotonic_s() - self._asked_s >= _ASK_EVERY_S:
            self._ask_again()
        holds = self._folder.hold()
        found = self._folder.segments()
        if holds:
            self._forget(found)
        left = [one for one in found if one[0] in own]
        left += [one for one in found if holds and one[0] not in own]
        failed = self._send_books() if left else None
        while failed is None and (batch := self._batch(left)):
            failed = self._sent(batch)
            is_full = sum(len(lines.content) for lines in batch) >= self._request_bytes
            if is_urgent():
                break
            if not is_full and all(map(self._has, batch)) and not self._is_asked_of(own):
                break
        return failed

    def _is_asked_of(self, own: Collection[str]) -> bool:
        """Whether it is to be asked first what it still has of these: another connection was made in this round."""
        kept = (each for each in own if each not in self._aside and each not in self._skipped)
        return any(
            self._positions.get(each, NOWHERE).life is not None and each not in self._confirmed
            for each in kept
        )

    def acknowledged(self, segment: str, size_bytes: int, *, whole: bool = False) -> bool:
        """Whether the receiver has so much of a segment, whoever sent it.

        Args:
            segment: which.
            size_bytes: how much.
            whole: whether it is to know as well that nothing follows.
        """
        position = self._positions.get(segment, NOWHERE)
        if not self._counts(position, size_bytes, whole):
            position = self._folder.position(segment)
        is_there = self._counts(position, size_bytes, whole)
        return is_there or self._folder.is_marked(segment, size_bytes)

    def _has(self, lines: Lines) -> bool:
        """Whether a stretch is done with: what is there since comes with the next round."""
        return self._positions[lines.segment].offset >= lines.offset + len(lines.content)

    def _counts(self, position: Position, size_bytes: int, whole: bool) -> bool:
        is_there = position.life is not None and position.offset >= size_bytes
        return is_there and (position.finished or not whole)

    def _forget(self, found: Collection[tuple[str, int]]) -> None:
        listed = {stem for stem, _ in found}
        for gone in self._positions.keys() - listed:
            del self._positions[gone]
        self._aside &= listed
        self._confirmed &= listed
        self._folder.forget(listed)

    # --- what to send ---

    def _batch(self, found: Collection[tuple[str, int]]) -> list[Lines]:
        batch: list[Lines] = []
        room = self._request_bytes
        for stem, size in found:
            if stem in self._aside or stem in self._skipped:
                continue
            for lines in self._stretches(stem, size, room):
                batch.append(lines)
                room -= len(lines.content)
            if room <= 0:
                break
        return batch

    def _stretches(self, stem: str, size: int, room: int) -> Iterator[Lines]:
        """What comes next of a segment. One that grew by nothing since it was acknowledged, and is not finished, has
        nothing; one that is not known to be there still is offered again without bytes: a hole is answered then."""
        position = self._at(stem)
        is_known = stem in self._confirmed and position.life == self._life
        if position.finished and is_known:
            return
        offset = position.offset
        if is_known and offset < size:  # another process may have sent it meanwhile
            position = self._positions[stem] = _further(position, self._folder.position(stem))
            offset = position.offset
        try:
            finished = self._folder.is_finished(stem)
            while room > 0:
                limit = min(RECORD_MAX_BYTES, self._request_bytes, max(room, _STRETCH_MIN_BYTES))
                lines = self._stretch(stem, offset, limit, finished=finished)
                if not (lines.content or lines.finished) and (is_known or offset == 0):
                    return
                yield lines
                offset, room = offset + len(lines.content), room - len(lines.content)
                is_known = True
                if lines.finished:
                    return
        except FileNotFoundError:  # its writer needed the room: it was acknowledged
            return

    def _stretch(self, stem: str, offset: int, limit: int, *, finished: bool) -> Lines:
        """Whole lines; the rest of a finished segment is all that will ever be of it."""
        content = self._folder.read(stem, offset, limit)
        at_end = len(content) < limit
        if finished and at_end:
            return Lines(stem, offset, content, True)
        end = content.rfind(b"\n") + 1
        if not end and not at_end and limit < REQUEST_MAX_BYTES:
            return self._stretch(stem, offset, REQUEST_MAX_BYTES, finished=finished)
        if not end and not at_end:  # no line is as long: damage, which the reader isolates
            end = len(content)
        return Lines(stem, offset, content[:end])

    def _at(self, stem: str) -> Position:
        position = self._positions.get(stem)
        if position is None:
            position = self._positions[stem] = self._folder.position(stem)
        return position

    def _send_books(self) -> Answer | None:
        """Books that lines name go before them, each by its name first: the receiver has most of them already."""
        for digest in self._folder.books():
            if digest in self._books_aside or self._has_book(digest):
                continue
            failed = self._sent([BookOffer(digest)])
            if failed is not None:
                return failed
        return None

    def _wanted(self, digest: str, refusal: Refusal, answer: Answer) -> Answer | None:
        """Send the book that was offered, unless another sender's is on its way. One that knows nothing of offers
        calls them malformed."""
        if refusal.metadata.get(WANTED) == "later":
            self._complain.refused(answer, refusal)
            return answer
        lock = self._folder.book(digest)
        if lock is None:
            self._books_aside.add(digest)
            return None
        return self._sent([BookFile(digest, lock)])

    def _has_book(self, digest: str) -> bool:
        """Whether this life of the receiver was sent a book, by this process or another one of the folder."""
        if (self._life, digest) in self._books:
            return True
        is_noted = self._folder.position(_BOOK_NOTE + digest).life == self._life
        if self._life is None or self._has_lost or not is_noted:
            return False
        self._books.add((self._life, digest))
        return True

    # --- what came of it ---

    def _sent(self, batch: list[Lines] | list[BookFile] | list[BookOffer]) -> Answer | None:
        """Send a batch, and note what came of it; the answer, if there is nothing to be done but to wait."""
        answer = self._receiver.send(batch, self._life)
        if answer.is_first or (answer.life is None and answer.refusal is not None):
            self._ask_again()
        if answer.refusal is None and answer.life is not None:
            return self._accepted(batch, answer, answer.life)
        return self._refused(batch, answer)

    def _accepted(self, batch: Collection[Part], answer: Answer, life: Life) -> Answer | None:
        if not self._follow(life):
            return answer
        for part in batch:
            if not isinstance(part, Lines):
                self._books.add((life, part.digest))
                self._folder.keep(_BOOK_NOTE + part.digest, Position(len(part.content), True, life))
            else:
                end = part.offset + len(part.content)
                self._note(part.segment, Position(end, part.finished, life), life)
        self._complain.all_is_well()
        return None

    def _note(self, stem: str, position: Position, life: Life) -> None:
        self._positions[stem] = position
        self._confirmed.add(stem)
        is_noted = self._folder.position(stem) == position
        if not is_noted:
            self._folder.keep(stem, position, durable=position.finished)
        if position.finished and not (is_noted and self._folder.is_marked(stem, position.offset)):
            self._folder.mark(stem, position.offset, life.ledger)

    def _ask_again(self) -> None:
        """Offer once more, without their bytes, the segments that are acknowledged: the receiver may have been
        restarted, on a volume that came back old."""
        self._confirmed.clear()
        self._asked_s = self._monotonic_s()

    def _follow(self, life: Life) -> bool:
        """Believe who answered, unless it is an earlier life of what has been seen. Of another one, or a later life,
        it is not known what it has: nothing may be deleted until it has said so."""
        before = self._life
        if before == life:
            return True
        if before is not None and before.ledger == life.ledger and life.epoch < before.epoch:
            self._complain.fenced(life, before)
            return False
        self._folder.keep_receiver(life)
        self._life = life
        if before is not None:
            self._complain.changed(before, life)
            self._doubt()
        return True

    def _doubt(self) -> None:
        """Let nobody delete what the receiver may not have."""
        for stem, size in self._folder.segments():
            if self._folder.is_marked(stem, size):
                self._folder.unmark(stem)

    def _refused(self, batch: Collection[Part], answer: Answer) -> Answer | None:
        refusal = answer.refusal or Refusal(None, "it does not say which ledger it is")
        segment = refusal.metadata.get("segment", "")
        parts = {part.segment: part for part in batch if isinstance(part, Lines)}
        first = next(iter(batch))
        if isinstance(first, BookOffer) and refusal.reason in ("UNKNOWN_BOOK", "MALFORMED"):
            return self._wanted(first.digest, refusal, answer)
        if refusal.reason == "HOLE" and segment in parts:
            return self._rewind(segment, refusal, answer)
        if refusal.reason == "DIFFERENT" and segment in parts:
            return self._set_aside(segment, refusal)
        if segment in parts and refusal.reason not in ("HOLE", "FULL", "BUSY"):
            self._complain.not_taken(segment, refusal)
            self._skipped[segment] = _SKIPPED_ROUNDS
            return None
        if refusal.reason in ("TOO_LARGE", "MALFORMED") or answer.status == 413:
            return self._smaller(batch, answer, refusal)
        if refusal.reason == "FENCED" and self._is_another(answer.life) and answer.life:
            return None if self._follow(answer.life) else answer
        self._complain.refused(answer, refusal)
        return answer

    def _is_another(self, life: Life | None) -> bool:
        """Whether that is another ledger than was asked before, whose lives are counted by itself."""
        return life is not None and self._life is not None and life.ledger != self._life.ledger

    def _rewind(self, segment: str, refusal: Refusal, answer: Answer) -> Answer | None:
        """Go on from what the receiver has. That it has less than it acknowledged puts all in doubt."""
        have, before = _whole(refusal.metadata.get("have")), self._at(segment)
        is_older = answer.life is not None and not self._follow(answer.life)
        if have is None or have >= before.offset or is_older:
            self._complain.refused(answer, refusal)
            return answer
        if before.offset and before.life == self._life:
            self._complain.lost(segment, before.offset, have)
            self._has_lost = True
            self._books.clear()
            self._doubt()
            self._ask_again()
        self._folder.unmark(segment)
        self._positions[segment] = Position(have, False, self._life)
        self._folder.keep(segment, self._positions[segment])
        return None

    def _set_aside(self, segment: str, refusal: Refusal) -> Answer | None:
        """The receiver has other bytes in their place: these stay here, for somebody to look at."""
        self._aside.add(segment)
        name = ""
        if self._folder.is_finished(segment):
            try:
                name = self._folder.put_aside(segment)
            except OSError as error:
                _logger.debug("putting a segment aside: %r", error)
        self._complain.different(segment, name, refusal)
        return None

    def _smaller(self, batch: Collection[Part], answer: Answer, refusal: Refusal) -> Answer | None:
        """Find the part that is too large, or makes no sense to the receiver, by sending less at once."""
        size = sum(len(part.content) for part in batch)
        first = next(iter(batch))
        if not isinstance(first, Lines):
            self._books_aside.add(first.digest)
            self._complain.unfit(f"the price book {first.digest[:12]}", refusal)
            return None
        if self._request_bytes > _STRETCH_MIN_BYTES:
            self._request_bytes = max(_STRETCH_MIN_BYTES, min(size, self._request_bytes) // 2)
            return None
        if len(batch) > 1:
            self._complain.refused(answer, refusal)
            return answer
        self._aside.add(first.segment)
        self._complain.unfit(f"the segment {first.segment}", refusal)
        if refusal.reason == "MALFORMED":
            self._request_bytes = self._request_max_bytes
        return None


def _further(known: Position, noted: Position) -> Position:
    """What another process noted, if that is more."""
    return noted if noted.life == known.life and noted.offset > known.offset else known


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
