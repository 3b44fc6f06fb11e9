"""Entries in ClickHouse, summed by minute as they come.

ClickHouse has no transaction over two tables, so a batch is announced before it is sent: a row of the position says up
to which entry it goes. Whoever finds one that was begun and not ended sends exactly that batch again, under the same
deduplication token: tables that have it ignore it, and a roll-up that lacks it gets it. Batches that were ended are
known by their last entry, however long ago.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.codec import encode, encode_lossy
from otel_genai_cost.ledger.day_sums import DaySum, sums_in_rows
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Rejected
from otel_genai_exporters.clickhouse_connection import Connection
from otel_genai_exporters.clickhouse_tables import ENTRY_COLUMNS, STATEMENTS, TABLES, has_window
from otel_genai_exporters.unfit import Unfit

__all__ = ["ClickHouseSink"]

_AT_ONCE: Final = 20_000
_YEARS: Final = (1970, 2106)
"""Of the minutes and hours by which entries are summed and sorted."""

_HAS_DATABASE: Final = "SELECT 1 FROM system.databases WHERE name = {{database:String}}"
_DAYS: Final = (
    "SELECT intDiv(toUnixTimestamp64Micro(occurred), 86400000000) AS day, currency, count(),"
    " toString(sum(toDecimal256(amount, 18))), {tenant} AS whose"
    " FROM {database}.entries WHERE seq <= {{upto_seq:Int64}} GROUP BY day, currency, whose"
)
_EMPTYING: Final = -1


class _Position(NamedTuple):
    """A row of the position.

    Attributes:
        turn: counts them; the last one holds.
        ledger_id: whose entries are there, "" if nobody's.
        seq: the last entry that is there for certain.
        begun: the last of a batch that was begun; `seq` if none is under way, -1 while the tables are emptied.
        filling: another one each time that the tables are emptied, so that tokens are never used twice.
    """

    turn: int
    ledger_id: str
    seq: int
    begun: int
    filling: str


class ClickHouseSink:
    """Entries in ClickHouse.

    Args:
        path: The file that holds what was set aside.
        address: `https://USER@HOST:8443`, or another address that clickhouse-connect takes.
        database: Where the tables are made. One for each ledger.
        password_file: A file with the password, read for each new connection.

    Raises:
        ConfigurationError: if the address or the database cannot be used.
        MissingExtraError: without clickhouse-connect.
    """

    def __init__(
        self, path: Path, address: str = "", database: str = "default", password_file: str = ""
    ) -> None:
        self._to = Connection(address, database, password_file)
        self._unfit = Unfit(path, "ClickHouse", _YEARS)
        self._open_entries = 0

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What each option means."""
        return {
            "address": "https://USER@HOST:8443, or env:NAME where it has a password",
            "database": "where the tables are made, one for each ledger; default",
            "password_file": "a file with the password, read for each new connection",
        }

    @property
    def endpoint(self) -> str:
        return self._to.endpoint

    @property
    def entries_at_once(self) -> int:
        """A batch that was begun is sent again whole."""
        return max(_AT_ONCE, self._open_entries)

    def mark(self) -> Mark | None:
        return self._to.tried(self._mark)

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        self.load(ledger_id, entries)

    def load(self, ledger_id: str, entries: Iterable[Entry]) -> None:
        first = next(iterator := iter(entries), None)
        if first is not None:
            self._to.tried(lambda: self._load(ledger_id, _chained(first, iterator)))

    def reset(self) -> None:
        self._to.tried(self._reset)
        self._unfit.reset()

    def days(self, upto_seq: int) -> list[DaySum]:
        return self._to.tried(lambda: self._days(upto_seq, "NULL"))

    def tenant_days(self, upto_seq: int) -> list[DaySum]:
        return self._to.tried(lambda: self._days(upto_seq, "tenant"))

    def rejected(self) -> list[Rejected]:
        return self._unfit.rejected()

    def set_aside(self, ledger_id: str) -> Rejected | None:
        return self._unfit.set_aside(ledger_id)

    def send_again(self, ledger_id: str, entry: Entry) -> str:
        row = self._unfit.row(entry)
        if isinstance(row, str):
            return row
        self._to.tried(lambda: self._insert_alone(entry.seq, encode_lossy(row)))
        self._unfit.taken(entry.seq)
        return ""

    def close(self) -> None:
        """Close the connection; a second time nothing."""
        self._to.close()

    def _mark(self) -> Mark | None:
        found = self._position() if self._has_tables() else None
        self._open_entries = found.begun - found.seq if found is not None else 0
        if found is None or not found.ledger_id:
            return None
        return Mark(found.ledger_id, found.seq)

    def _has_tables(self) -> bool:
        names = self._to.rows(
            "SELECT name FROM system.tables WHERE database = {{database:String}}",
        )
        return {*TABLES} <= {row[0] for row in names}

    def _days(self, upto_seq: int, tenant: str) -> list[DaySum]:
        if not self._has_tables():
            return []
        return sums_in_rows(self._to.rows(_DAYS.replace("{tenant}", tenant), upto_seq=upto_seq))

    def _position(self) -> _Position | None:
        rows = self._to.rows(
            "SELECT turn, ledger_id, seq, begun, filling FROM {database}.entries_position ORDER BY turn DESC LIMIT 1"
        )
        return _Position(*rows[0]) if rows else None

    def _load(self, ledger_id: str, entries: Iterable[Entry]) -> None:
        position = self._ready(ledger_id)
        fresh: Iterator[Entry] = (one for one in entries if one.seq > position.seq)
        if position.begun > position.seq:
            again, fresh = _up_to(fresh, position.begun)
            if not again or again[-1].seq != position.begun:
                raise GenAICostError(
                    f"{self.endpoint}: a batch to entry {position.begun} was begun, and has to come again whole; if "
                    "the ledger was put back from a copy, `genai-cost sinks refill` begins anew"
                )
            batch = _Batch(self._unfit, again)
            if batch.failure is not None:
                raise batch.failure
            position = self._end(position, batch)
        batch = _Batch(self._unfit, fresh)
        if batch.last_seq:
            begun = position._replace(ledger_id=ledger_id, begun=batch.last_seq)
            self._end(self._note(begun), batch)
        if batch.failure is not None:
            raise batch.failure

    def _end(self, position: _Position, batch: _Batch) -> _Position:
        """Send a batch that was noted as begun, and note that it is there."""
        self._open_entries = position.begun - position.seq
        if batch.lines:
            token = f"{position.ledger_id}:{position.filling}:{position.seq}-{position.begun}"
            self._to.insert("entries", b"\n".join(batch.lines), token)
        ended = self._note(position._replace(seq=position.begun))
        self._open_entries = 0
        return ended

    def _insert_alone(self, seq: int, line: bytes) -> None:
        found = self._to.rows(
            "SELECT count() FROM {database}.entries WHERE seq = {{seq:Int64}}", seq=seq
        )
        if not found[0][0]:
            position = self._position()
            filling = position.filling if position else ""
            self._to.insert("entries", line, f"{filling}:{seq}")

    def _note(self, position: _Position) -> _Position:
        found = position._replace(turn=position.turn + 1)
        self._to.insert("entries_position", encode({"one": 1, **found._asdict()}))
        return found

    def _ready(self, ledger_id: str) -> _Position:
        """The position, of tables that are there, whole and this ledger's."""
        if not self._to.is_checked:
            self._make_tables()
            self._to.is_checked = True
        found = self._position()
        if found is None:
            self._check_empty()
            return _Position(0, "", 0, 0, uuid.uuid4().hex)
        if found.begun == _EMPTYING:
            found = self._emptied(found)
        if found.ledger_id not in ("", ledger_id):
            raise GenAICostError(
                f"{self.endpoint} is fed by another ledger, {found.ledger_id}; give each a database of its own"
            )
        return found

    def _make_tables(self) -> None:
        """Make what is not there, and the columns that a table of an older version lacks."""
        if not self._has_tables():
            if not self._to.rows(_HAS_DATABASE):
                self._to.command("CREATE DATABASE {database}")
            for one in STATEMENTS:
                self._to.command(one)
        known = {
            row[0]
            for row in self._to.rows(
                "SELECT name FROM system.columns WHERE database = {{database:String}} AND table = 'entries'",
            )
        }
        for name, kind in ENTRY_COLUMNS.items():
            if name not in known:
                self._to.command(f"ALTER TABLE {{database}}.entries ADD COLUMN {name} {kind}")
        self._check_windows()

    def _check_windows(self) -> None:
        """Tables that somebody else made may not notice what comes again."""
        engines = self._to.rows(
            "SELECT name, engine_full FROM system.tables WHERE database = {{database:String}}"
            " AND name IN ('entries', 'entries_by_minute')",
        )
        for name, engine in engines:
            if not has_window(engine):
                raise GenAICostError(
                    f"{self.endpoint}: table {name} has no deduplication window, so a batch that comes again would be "
                    "there twice; ALTER TABLE … MODIFY SETTING non_replicated_deduplication_window = 1000"
                )

    def _check_empty(self) -> None:
        if self._to.rows("SELECT 1 FROM {database}.entries LIMIT 1"):
            raise GenAICostError(
                f"{self.endpoint} has entries and no position: something else filled the table; "
                "`genai-cost sinks refill` empties it and fills it again"
            )

    def _reset(self) -> None:
        self._make_tables()
        found = self._position() or _Position(0, "", 0, 0, "")
        self._emptied(self._note(_Position(found.turn, "", 0, _EMPTYING, uuid.uuid4().hex)))

    def _emptied(self, position: _Position) -> _Position:
        """Empty the tables; who is killed meanwhile begins again."""
        for table in ("entries", "entries_by_minute"):
            self._to.command(f"TRUNCATE TABLE {{database}}.{table}")
        return self._note(position._replace(begun=0))


class _Batch:
    """Entries as JSON lines.

    Args:
        unfit: what the store cannot hold.
        entries: in order.

    Attributes:
        lines: of those that are stored.
        last_seq: of all that are behind it then; 0 without any.
        failure: what is to be raised afterwards, of the entry that ended it.
    """

    def __init__(self, unfit: Unfit, entries: Iterable[Entry]) -> None:
        self.lines: list[bytes] = []
        self.last_seq = 0
        self.failure: GenAICostError | None = None
        try:
            for entry, row in unfit.rows(entries):
                if row is not None:
                    self.lines.append(encode_lossy(row))
                self.last_seq = entry.seq
        except GenAICostError as error:
            self.failure = error


def _up_to(entries: Iterator[Entry], seq: int) -> tuple[list[Entry], Iterator[Entry]]:
    """Those up to a number, and the others."""
    found: list[Entry] = []
    for one in entries:
        if one.seq > seq:
            return found, _chained(one, entries)
        found.append(one)
    return found, iter(())


def _chained(first: Entry, others: Iterator[Entry]) -> Iterator[Entry]:
    yield first
    yield from others
