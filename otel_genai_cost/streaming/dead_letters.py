"""Messages that were on a topic and are no observations: kept beside the ledger, each once, with the reason."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.streaming.broker import Delivered

__all__ = ["DEAD_LETTERS_FILE", "DeadLetter", "DeadLetters"]

DEAD_LETTERS_FILE: Final = "dead-letters.sqlite"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS dead_letter (
    stream TEXT NOT NULL, partition TEXT NOT NULL, position TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL,
    at_us INTEGER NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (stream, partition, position)
);
"""
_VALUE_MAX: Final = 65_536
"""So much of a message's value is kept: who sent it has the rest."""


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


class DeadLetters:
    """The file.

    Args:
        path: made when the first comes, private to its owner.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Keep messages; one that is there already stays once.

        Args:
            letters: what is to be kept.

        Raises:
            LedgerError: if the file cannot be written.
        """
        with self._opened() as db:
            db.executemany(
                "INSERT OR REPLACE INTO dead_letter VALUES (?,?,?,?,?,?,?,?)", map(_row, letters)
            )

    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self.records())

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
    one = letter.delivered
    headers = {
        name: value.decode("utf-8", "replace") for name, value in one.message.headers.items()
    }
    value = one.message.value[:_VALUE_MAX]
    place = (letter.stream, one.partition, one.position, one.place)
    return (*place, letter.reason, letter.at_us, json.dumps(headers), value)
