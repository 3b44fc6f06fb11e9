"""A node's journals on their way to a topic, record by record.

How far a segment is sent is noted beside it once the broker has it durably; whoever is killed before that sends the
same records again, with the same ids. A finished segment is marked as one that may be deleted once all of it is there,
unless some of it could not be read or was refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import FormatTooNewError, Seldom
from otel_genai_cost.forwarding.folder import JournalFolder, Life, Position
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.reader import Batch, read
from otel_genai_cost.journal.receiving import with_senders
from otel_genai_cost.journal.record import from_record
from otel_genai_cost.journal.repair import inspect_segment
from otel_genai_cost.streaming.broker import Producer
from otel_genai_cost.streaming.cloud_event import Message, book_message, record_message

__all__ = ["Forwarded", "StreamForwarder"]

_logger = logging.getLogger("otel_genai_cost")

_BOOK: Final = ".book-"
_LACKS: Final = ".lacks-"
"""What is noted of a price book begins so, and of a segment that was not sent whole: no segment's name does."""


class Forwarded(NamedTuple):
    """What rounds did.

    Attributes:
        sent: records that the broker has.
        refused: those that it will never take; they stay in their segments.
        damaged: lines that cannot be read.
        other: records that are neither observations nor starts of calls.
        unread: segments, folders and price books that could not be sent in the last round, and are tried again.
        books: price books that it was sent.
        gaps: records that finished segments prove to be missing.
    """

    sent: int = 0
    refused: int = 0
    damaged: int = 0
    other: int = 0
    unread: int = 0
    books: int = 0
    gaps: int = 0

    def plus(self, other: Forwarded) -> Forwarded:
        """The sums; what is unread is the latest."""
        sums = (one + another for one, another in zip(self, other, strict=True))
        return Forwarded(*sums)._replace(unread=other.unread)


class StreamForwarder:
    """Journals' folders, and where they go.

    Args:
        folders: of journals.
        producer: sends to the topic.
        stream: the broker's name for it.
        source: who sends, a part of a URI.
        key_of: by what the message of an observation is keyed.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        producer: Producer,
        stream: str,
        source: str,
        key_of: Callable[[Observation], str],
    ) -> None:
        self._folders, self._producer = tuple(folders), producer
        self._life, self._source, self._key_of = Life(stream, 0), source, key_of
        self._held: dict[Path, JournalFolder] = {}
        self._tried_books = set[str]()
        self._seldom = Seldom()

    def round(self, stop: Callable[[], bool] = lambda: False) -> Forwarded:
        """Send what there is.

        Args:
            stop: whether to end after the batch at hand.

        Raises:
            GenAICostError: if the broker does not take it; what it has is noted.
        """
        done = Forwarded()
        for path in with_senders(self._folders):
            if not path.is_dir():  # nothing was written there yet
                continue
            try:
                done = self._folder(path, stop, done)
            except OSError as error:
                done = done._replace(unread=done.unread + 1)
                self._say("cannot read the journal in %s: %s", path, error)
        return done

    def close(self) -> None:
        """Let another process send these folders."""
        for folder in self._held.values():
            folder.release()
        self._held.clear()

    def _folder(self, path: Path, stop: Callable[[], bool], done: Forwarded) -> Forwarded:
        folder = self._held.setdefault(path, JournalFolder(path))
        if not folder.hold():
            self._say("another process sends %s on; one is enough", path)
            return done._replace(unread=done.unread + 1)
        segments = folder.segments()
        folder.forget([stem for stem, _ in segments])
        self._tried_books.clear()
        done = self._send_books(folder, done) if segments else done
        for stem, _ in segments:
            if stop():
                break
            done = self._segment(folder, stem, stop, done)
        return done

    def _send_books(self, folder: JournalFolder, done: Forwarded) -> Forwarded:
        """Books go before what names them; each is tried once a round."""
        for digest in sorted(set(folder.books()) - self._tried_books):
            self._tried_books.add(digest)
            noted = folder.position(_BOOK + digest)
            if noted.life == self._life:
                continue
            lock = folder.book(digest)
            if lock is None:
                continue
            refused = self._producer.send([book_message(digest, lock, self._source)])
            if refused:
                self._say("the price book %s is not taken: %s", digest[:12], refused[0])
                done = done._replace(unread=done.unread + 1)
                continue
            folder.keep(_BOOK + digest, Position(len(lock), True, self._life))
            done = done._replace(books=done.books + 1)
        return done

    def _segment(
        self, folder: JournalFolder, stem: str, stop: Callable[[], bool], done: Forwarded
    ) -> Forwarded:
        noted = folder.position(stem)
        position = noted if noted.life == self._life else Position(life=self._life)
        path = folder.path / f"{stem}.jsonl"
        while not position.finished and not stop():
            try:
                finished = folder.is_finished(stem)
                batch = read(path, position.offset, finished=finished)
            except FileNotFoundError:  # its writer needed the room: all of it was sent
                break
            except (OSError, FormatTooNewError) as error:
                self._say("cannot read the journal segment %s: %s", path, error)
                return done._replace(unread=done.unread + 1)
            is_done = finished and batch.at_end
            if batch.offset == position.offset and not is_done:
                break
            done = self._send_books(folder, done)  # one may have come since the round began
            more = self._send(batch)
            if is_done:
                more = more._replace(gaps=inspect_segment(path).gaps)
            position = Position(batch.offset, is_done, self._life)
            self._note(folder, stem, position, more)
            done = done.plus(more)._replace(unread=done.unread)
            if batch.at_end:
                break
        return done

    def _note(self, folder: JournalFolder, stem: str, position: Position, more: Forwarded) -> None:
        """How far it is sent; before that, if it lacks something: who is killed in between notes both again."""
        if more.gaps:
            self._say(
                "the journal segment %s proves that %d record(s) are missing", stem, more.gaps
            )
        if more.damaged or more.refused or more.other:
            folder.keep(_LACKS + stem, Position(position.offset, False, self._life), durable=True)
            self._say(
                "some of the journal segment %s could not be sent, so that it stays: %s", stem, more
            )
        folder.keep(stem, position, durable=position.finished)
        if position.finished and folder.position(_LACKS + stem).life != self._life:
            folder.mark(stem, position.offset, self._life.ledger)

    def _send(self, batch: Batch) -> Forwarded:
        # What is lost is proved by the numbers as well.
        reported = [one for one in batch.records if one.get("type") != "lost"]
        records = [one for one in reported if one.get("type", "start") == "start"]
        messages, damaged = list[Message](), len(batch.damage)
        for record in records:
            message = self._message(record)
            if message is None:
                damaged += 1
            else:
                messages.append(message)
        refused = self._producer.send(messages)
        for why in refused.values():
            self._say("a record is not taken: %s", why)
        other = len(reported) - len(records)
        return Forwarded(len(messages) - len(refused), len(refused), damaged, other)

    def _message(self, record: Mapping[str, Any]) -> Message | None:
        """The event of a record; None if it is none that a ledger would take."""
        try:
            key = self._key_of(from_record(record))
        except (LookupError, TypeError, ValueError, AttributeError):
            return None
        return record_message(record, self._source, key)

    def _say(self, text: str, *facts: object) -> None:
        if self._seldom.may_say((text, *facts)):
            _logger.error(text, *facts)
