"""Entries that a store cannot hold: each is noted with the reason, and stops the sink until a person sets it aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Rejected
from otel_genai_cost.pricing.money import format_money
from otel_genai_exporters.entry_columns import COLUMNS, values_of
from otel_genai_exporters.otlp.position import Position

__all__ = ["Row", "Unfit", "UnfitEntryError", "instant_text", "row_in"]

Row = dict[str, object]
"""What a store takes of an entry: text that it can hold, decimal text, `YYYY-MM-DD hh:mm:ss.ffffff`."""

_ATTO_MAX: Final = 10**38
"""A decimal of 38 digits is below it."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 -- stores have UTC without a zone
_MONEY: Final = tuple(name for name, kind in COLUMNS.items() if kind == "money")
_INSTANTS: Final = tuple(name for name, kind in COLUMNS.items() if kind == "instant")
_WHOLE: Final = {
    name: 1 << (31 if kind == "integer" else 63)
    for name, kind in COLUMNS.items()
    if kind in ("integer", "bigint")
}


class UnfitEntryError(GenAICostError):
    """A store cannot hold an entry.

    Args:
        store: Its name, for people to read.
        entry: Which.
        message: Why not.
    """

    def __init__(self, store: str, entry: Entry, message: str) -> None:
        self.entry, self.message = entry, message
        super().__init__(
            f"{store} cannot hold entry {entry.seq} (event {entry.id}): {message}; no later entry is stored before it "
            "is set aside by `genai-cost sinks set-aside`"
        )


class Unfit:
    """What was found unfit for a store, in a file beside the ledger.

    Args:
        path: The file, made when there is something to note.
        store: Its name, for people to read.
        years: The first that the store has in an instant, and the first that it has not.
    """

    def __init__(self, path: Path, store: str, years: tuple[int, int]) -> None:
        self._position, self._store, self._years = Position(path), store, years

    def rows(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Row | None]]:
        """Each entry with its row, None for what was set aside.

        Args:
            entries: In order.

        Raises:
            UnfitEntryError: at the first that is unfit and was not set aside; it is noted.
        """
        aside = {one.id for one in self.rejected() if one.is_aside}
        for entry in entries:
            if entry.id in aside:
                yield entry, None
                continue
            row = self.row(entry)
            if isinstance(row, str):
                self._position.reject(entry, row)
                raise UnfitEntryError(self._store, entry, row)
            yield entry, row

    def row(self, entry: Entry) -> Row | str:
        """The row of an entry, or why there is none."""
        return row_in(entry, self._years)

    def rejected(self) -> list[Rejected]:
        """What was found unfit and not taken since, in order."""
        return self._position.rejected()

    def set_aside(self, ledger_id: str) -> Rejected | None:
        """Have the entry that the sink stands before passed over; None if it stands before none."""
        waiting = self._position.waiting()
        if waiting is not None:
            self._position.set_aside(ledger_id, waiting.seq)
        return waiting

    def taken(self, seq: int) -> None:
        """Note that the store has an entry that was set aside."""
        self._position.taken(seq)

    def reset(self) -> None:
        """Forget everything."""
        self._position.reset()


def row_in(entry: Entry, years: tuple[int, int]) -> Row | str:
    """The row of an entry in a store of common types, or why it has no place there.

    Args:
        entry: of the ledger.
        years: the first that the store has in an instant, and the first that it has not.
    """
    values = values_of(entry, money=_whole_money)
    for name in _MONEY:
        if abs(_int(values[name])) >= _ATTO_MAX:
            return f"{name} has more than 20 digits before the point"
        values[name] = format_money(_int(values[name]))
    for name, limit in _WHOLE.items():
        if not -limit <= _int(values[name]) < limit:
            return f"{name} is too large: {values[name]}"
    for name in _INSTANTS:
        text = instant_text(_int(values[name]), years)
        if text is None:
            return f"{name} is in no year that the store has: {values[name]} µs"
        values[name] = text
    return values


def instant_text(us: int, years: tuple[int, int]) -> str | None:
    """An instant as stores read it, None if it is in none of the years.

    Args:
        us: unix microseconds.
        years: the first, and the first after the last.
    """
    try:
        found = _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return None
    if not years[0] <= found.year < years[1]:
        return None
    return found.isoformat(" ", "microseconds")


def _whole_money(atto: int) -> int:
    return atto


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
