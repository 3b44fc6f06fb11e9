"""How far a receiver of events is, and what it rejects.

A receiver of OTLP keeps no position for us, so it stands in a file beside the ledger, written after each
acknowledgement. Whoever is killed between the two sends the same entries again, with the same ids.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Rejected

__all__ = ["Position", "mark_in", "opened"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS position (ledger_id TEXT NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rejected (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, message TEXT NOT NULL, at_us INTEGER NOT NULL,
    is_aside INTEGER NOT NULL DEFAULT 0
);
"""


@contextmanager
def opened(path: Path, schema: str) -> Generator[sqlite3.Connection, None, None]:
    """A file of a sink's own, private to its owner, in a transaction that is committed at the end of the block.

    Args:
        path: The file, made if it is not there.
        schema: Its tables.

    Raises:
        GenAICostError: if it cannot be used.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.executescript(f"PRAGMA busy_timeout = 5000; {schema}")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        finally:
            db.close()
    except (sqlite3.Error, OSError) as error:
        raise GenAICostError(
            f"{path}: {error}; if it is damaged, delete it: everything is sent again, with the same ids"
        ) from None


def mark_in(path: Path, schema: str) -> Mark | None:
    """The position in a sink's file; None if there is no file, or no position in it yet.

    Args:
        path: The file.
        schema: Its tables, one of which is `position`.
    """
    if not path.exists():
        return None
    with opened(path, schema) as db:
        row = db.execute("SELECT ledger_id, seq FROM position").fetchone()
    return None if row is None else Mark(row[0], row[1])


class Position:
    """The file.

    Args:
        path: Made when there is something to note.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> Mark | None:
        """The last entry that was acknowledged or set aside; None before the first."""
        return mark_in(self.path, _SCHEMA)

    def advance(self, mark: Mark) -> None:
        """Note that everything up to there was acknowledged."""
        with opened(self.path, _SCHEMA) as db:
            _move(db, mark)

    def reject(self, entry: Entry, message: str) -> None:
        """Note why it stands before an entry.

        Args:
            entry: Which the receiver rejected.
            message: What it said.
        """
        with opened(self.path, _SCHEMA) as db:
            row = (entry.seq, entry.id, message, time.time_ns() // 1000)
            db.execute("INSERT OR REPLACE INTO rejected VALUES (?,?,?,?,0)", row)

    def rejected(self) -> list[Rejected]:
        """What was rejected and not taken since, in order."""
        if not self.path.exists():
            return []
        with opened(self.path, _SCHEMA) as db:
            rows = db.execute("SELECT * FROM rejected ORDER BY seq").fetchall()
        return [Rejected(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]

    def waiting(self) -> Rejected | None:
        """The rejected entry that it stands before; None if it stands before none."""
        return next((one for one in self.rejected() if not one.is_aside), None)

    def set_aside(self, ledger_id: str, seq: int) -> None:
        """Go past an entry that was rejected; it is kept, to be sent again."""
        with opened(self.path, _SCHEMA) as db:
            db.execute("UPDATE rejected SET is_aside = 1 WHERE seq = ?", (seq,))
            _move(db, Mark(ledger_id, seq))

    def taken(self, seq: int) -> None:
        """Note that the receiver has taken an entry that was set aside."""
        with opened(self.path, _SCHEMA) as db:
            db.execute("DELETE FROM rejected WHERE seq = ?", (seq,))

    def reset(self) -> None:
        """Forget everything."""
        with opened(self.path, _SCHEMA) as db:
            db.execute("DELETE FROM position")
            db.execute("DELETE FROM rejected")


def _move(db: sqlite3.Connection, mark: Mark) -> None:
    db.execute("DELETE FROM position")
    db.execute("INSERT INTO position VALUES (?, ?)", mark)
    db.execute("DELETE FROM rejected WHERE seq <= ? AND NOT is_aside", (mark.seq,))
