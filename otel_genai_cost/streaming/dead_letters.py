"""Messages that were on a topic and are no observations: kept beside the ledger, each once, with the reason.

The file is bounded. Of messages that said to be events of ours, and of all others, the last ones are kept, each kind in
a room of its own: others' are no money, however many come, and push out none that might have been. What is dropped is
counted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.streaming.broker import Delivered
from otel_genai_cost.streaming.cloud_event import says_ours

__all__ = ["DEAD_LETTERS_FILE", "KEPT_MAX", "DeadLetter", "DeadLetters", "Dropped"]

DEAD_LETTERS_FILE: Final = "dead-letters.sqlite"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS dead_letter (
    stream TEXT NOT NULL, partition TEXT NOT NULL, position TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL,
    at_us INTEGER NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL, is_ours INTEGER NOT NULL,
    PRIMARY KEY (stream, partition, position)
);
CREATE INDEX IF NOT EXISTS dead_letter_kind ON dead_letter (is_ours);
CREATE TABLE IF NOT EXISTS dropped (is_ours INTEGER PRIMARY KEY, letters INTEGER NOT NULL);
"""
_KEEP: Final = "INSERT OR REPLACE INTO dead_letter VALUES (?,?,?,?,?,?,?,?,?)"
_DROP: Final = """
DELETE FROM dead_letter WHERE is_ours = :is_ours AND rowid <= (
    SELECT rowid FROM dead_letter WHERE is_ours = :is_ours ORDER BY rowid DESC LIMIT 1 OFFSET :kept)
"""
_COUNT: Final = """
INSERT INTO dropped VALUES (:is_ours, :letters)
ON CONFLICT (is_ours) DO UPDATE SET letters = letters + excluded.letters
"""

KEPT_MAX: Final = 10_000
"""So many of each kind are kept. More than come at once, so that one which comes again after a kill is still there, and
is counted as dropped but once."""
_VALUE_MAX: Final = 8_192
_HEADERS_MAX: Final = 32
_WORD_MAX: Final = 512
"""So much of a message is kept: who sent it has the rest."""


class DeadLetter(NamedTuple):
    """One of them.

    Attributes:
        stream: the broker's name for the topic.
        delivered: what came, and where it stood.
        reason: why it is no observation.
        at_us: when it was read, unix microseconds.
    """

    stream: str
    delivered: Delivered
    reason: str
    at_us: int


class Dropped(NamedTuple):
    """How many are not kept any more: of those that said to be events of ours, and of others."""

    ours: int
    others: int


class DeadLetters:
    """The file.

    Args:
        path: made when the first comes, private to its owner.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, letters: Iterable[DeadLetter]) -> int:
        """Keep messages; one that is there already stays once. The oldest beyond the bound are dropped and counted.

        Args:
            letters: what is to be kept.

        Returns:
            How many were dropped.

        Raises:
            LedgerError: if the file cannot be written.
        """
        dropped = 0
        with self._opened() as db:
            db.executemany(_KEEP, map(_row, letters))
            for is_ours in (True, False):
                cut = db.execute(_DROP, {"is_ours": is_ours, "kept": KEPT_MAX}).rowcount
                if cut:
                    db.execute(_COUNT, {"is_ours": is_ours, "letters": cut})
                    dropped += cut
        return dropped

    def dropped(self) -> Dropped:
        """How many were dropped since the file was made.

        Raises:
            LedgerError: if the file cannot be read.
        """
        if not self.path.exists():
            return Dropped(0, 0)
        with self._opened() as db:
            found = dict(db.execute("SELECT is_ours, letters FROM dropped").fetchall())
        return Dropped(found.get(1, 0), found.get(0, 0))

    def records(self) -> Iterator[Mapping[str, Any]]:
        """What is kept, as JSON, oldest first.

        Raises:
            LedgerError: if the file cannot be read.
        """
        if not self.path.exists():
            return
        with self._opened() as db:
            rows = db.execute(
                "SELECT stream, place, reason, at_us, headers, value FROM dead_letter ORDER BY at_us, rowid"
            ).fetchall()
        for stream, place, reason, at_us, headers, value in rows:
            yield {
                "stream": stream,
                "place": place,
                "reason": reason,
                "at": rfc3339(at_us),
                "headers": json.loads(headers),
                "value": bytes(value).decode("utf-8", "replace"),
            }

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection, None, None]:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
            db = sqlite3.connect(self.path, isolation_level=None)
            try:
                db.executescript(f"PRAGMA busy_timeout = 5000; {_SCHEMA}")
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            finally:
                db.close()
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"messages that are no observations cannot be kept in {self.path}: {error}; free some space, or if it "
                "is damaged, move it away"
            ) from None


def _row(letter: DeadLetter) -> tuple[object, ...]:
    one, (value, headers, _) = letter.delivered, letter.delivered.message
    shown = {
        name[:_WORD_MAX]: held[:_WORD_MAX].decode("utf-8", "replace")
        for name, held in islice(headers.items(), _HEADERS_MAX)
    }
    place = (letter.stream, one.partition, one.position, one.place)
    said = (letter.reason[:_WORD_MAX], letter.at_us, json.dumps(shown), value[:_VALUE_MAX])
    return (*place, *said, says_ours(one.message))
