"""The revenue side of margin: what is recognised in a stretch of time, each amount once.

What counts, of a tenant and an instant: imported rows, if there are any; what its calls burnt of paid credit; and only
if there is neither, the month's revenue that the registry says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.projections.credits import Burnt
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.ledger.tenants.row import TenantRow, plan_of
from otel_genai_cost.limits.credit import Grant
from otel_genai_cost.limits.currency import CURRENCIES
from otel_genai_cost.limits.period import period
from otel_genai_cost.pricing.money import ATTO, divide_half_even
from otel_genai_cost.reports.margin.cell import Cell, CellKey
from otel_genai_cost.reports.margin.conversion import Conversion
from otel_genai_cost.reports.revenue.row import Revenue, recognised
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.tables import query_parts

__all__ = ["Income", "Window", "income"]

_SQL: Final = (Path(__file__).parents[1] / "sql" / "burnt.sql").read_text(encoding="utf-8")
_FACE_VALUE: Final = ("paid", "rollover")
"""Kinds of grants that were paid with what they are worth, where nothing else is known."""

_Stretches = list[tuple[int, int]]


class Window(NamedTuple):
    """A stretch of time, half-open, unix microseconds."""

    from_us: int
    to_us: int


class Income(NamedTuple):
    """What is recognised.

    Attributes:
        cells: by tenant, plan and feature.
        covered: of each tenant whose revenue is known, for which microseconds.
        deferred: atto by currency of sales of credit: of what was sold until the end of the window what was not burnt.
    """

    cells: dict[CellKey, Cell]
    covered: dict[str, int]
    deferred: dict[str, int]


def income(
    rows: Iterable[Revenue],
    burnt: Iterable[Burnt],
    store: Queryable,
    selection: Selection,
    window: Window,
    conversion: Conversion,
) -> Income:
    """The revenue of a window.

    Args:
        rows: all that was imported.
        burnt: what calls burnt of credit, in the order in which that was recorded.
        store: what knows whose calls those are.
        selection: with the registry, and whose clock counts where a tenant has none of its own.
        window: of which revenue is meant.
        conversion: into the report's currency.
    """
    every = list(rows)
    found = _Found(selection.directory, conversion, window)
    for row in every:
        if row.kind != "credit":
            found.take(row)
    sales = {row.ref: row for row in every if row.kind == "credit"}
    found.burn(burnt, sales, store, selection)
    for one, from_us, to_us in _registered(selection.directory, window, found.times, found.burners):
        found.take_registered(one, from_us, to_us, one.billing.time_zone or str(selection.zone))
    covered = {
        tenant: sum(end - begin for begin, end in _joined(each))
        for tenant, each in found.times.items()
    }
    length = window.to_us - window.from_us
    covered |= dict.fromkeys(found.burners, length)
    return Income(found.cells, covered, found.deferred)


class _Found:
    """What has been found so far."""

    def __init__(self, directory: Directory, conversion: Conversion, window: Window) -> None:
        self._directory, self._conversion, self._window = directory, conversion, window
        self.cells: dict[CellKey, Cell] = {}
        self.times: dict[str, _Stretches] = {}
        self.burners: set[str] = set()
        self.deferred: dict[str, int] = {}

    def take(self, row: Revenue) -> None:
        """What of an imported row is recognised in the window, cut where the tenant's plan or a rate changes."""
        since_us, until_us = (
            max(row.from_us, self._window.from_us),
            min(row.to_us, self._window.to_us),
        )
        for from_us, to_us, tenant, plan in _pieces(
            self._directory, row.tenant, since_us, until_us
        ):
            self.times.setdefault(tenant, []).append((from_us, to_us))
            key = CellKey(tenant, plan, row.feature, is_general=row.feature is None)
            cell = self.cells.setdefault(key, Cell())
            for begin, end in _cut(from_us, to_us, self._conversion.changes):
                amount = recognised(row.amount, row.from_us, row.to_us, begin, end)
                fine = self._take(cell, row.kind, amount, row.currency, begin)
                if row.seats and row.kind == "seat":
                    cell.seat_revenue += fine
            if row.seats and row.kind == "seat":
                length = row.to_us - row.from_us
                cell.seat_periods += Fraction(row.seats * (to_us - from_us), length)

    def _take(self, cell: Cell, kind: str, amount: int, currency: str, at_us: int) -> int:
        fine = self._conversion.fine(amount, currency, at_us)
        if fine is None:
            cell.leave(currency, amount, is_revenue=True)
            return 0
        cell.add_revenue(kind, fine)
        return fine

    def take_registered(self, row: TenantRow, from_us: int, to_us: int, zone: str) -> None:
        """What the registry says that a month brings, pro rata of each calendar month."""
        if row.revenue is None:
            return
        amount, currency = row.revenue
        self.times.setdefault(row.tenant, []).append((from_us, to_us))
        key = CellKey(row.tenant, row.words.get("plan"), None, is_general=True)
        cell = self.cells.setdefault(key, Cell())
        for begin, end in _cut(from_us, to_us, self._conversion.changes):
            while begin < end:
                month = period("month", zone, 1, begin)
                until_us = min(end, month[1])
                part = recognised(amount, *month, begin, until_us)
                self._take(cell, "registered", part, currency, begin)
                begin = until_us

    def burn(
        self,
        burnt: Iterable[Burnt],
        sales: Mapping[str, Revenue],
        store: Queryable,
        selection: Selection,
    ) -> None:
        """What was burnt of paid credit, when it was; by the sale of the grant's ref, else by what the grant says."""
        worth = _Worth(sales)
        parts = [
            (one, amount, currency)
            for one in burnt
            for amount, currency in worth.of(one)
            if self._window.from_us <= one.occurred_us < self._window.to_us
        ]
        whose = _whose(store, selection, [one.seq for one, *_ in parts])
        for one, amount, currency in parts:
            if (key := whose.get(one.seq)) is not None and key.tenant is not None:
                self.burners.add(key.tenant)
                cell = self.cells.setdefault(key, Cell())
                self._take(cell, "credit", amount, currency, one.occurred_us)
        self.deferred = worth.deferred(self._window.to_us)


class _Worth:
    """What parts of grants are worth: of each grant the difference that a part makes to what all so far are worth, so
    that all of it comes to all that was paid."""

    def __init__(self, sales: Mapping[str, Revenue]) -> None:
        self._sales = sales
        self._burnt: dict[str, int] = {}
        self._recognised: dict[str, int] = {}

    def of(self, one: Burnt) -> Iterator[tuple[int, str]]:
        """Atto and currency; nothing where nothing was paid, or nobody says what."""
        before = self._burnt.get(one.grant.ref, 0)
        after = self._burnt[one.grant.ref] = before + one.amount
        for amount, per, currency in _price(one.grant, self._sales.get(one.grant.ref)):
            part = divide_half_even(after * amount, per) - divide_half_even(before * amount, per)
            self._recognised[one.grant.ref] = self._recognised.get(one.grant.ref, 0) + part
            yield part, currency

    def deferred(self, to_us: int) -> dict[str, int]:
        """Of sales by then, what no call has burnt as far as is booked."""
        found: dict[str, int] = {}
        for row in self._sales.values():
            if row.from_us < to_us:
                left = row.amount - self._recognised.get(row.ref, 0)
                found[row.currency] = found.get(row.currency, 0) + left
        return found


def _price(grant: Grant, sale: Revenue | None) -> Iterator[tuple[int, int, str]]:
    """What so much of a grant is worth: an amount of a currency for `per` atto of it."""
    if sale is not None:
        yield sale.amount, grant.amount, sale.currency
    elif grant.currency in CURRENCIES:
        basis = grant.cost_basis
        if basis is None and grant.kind in _FACE_VALUE:
            basis = ATTO
        if basis:
            yield basis, ATTO, grant.currency


def _whose(store: Queryable, selection: Selection, seqs: Sequence[int]) -> dict[int, CellKey]:
    """The cells of entries."""
    if not seqs:
        return {}
    every = EVERYTHING._replace(directory=selection.directory)
    parts = query_parts(("tenant", "tenant_plan", "plan", "feature"), every, first=2)
    rows = store.query(_SQL.format(**parts.sql), [list(seqs), *parts.parameters]).rows
    return {
        seq: CellKey(tenant, plan_of(registered, label), feature)
        for seq, tenant, registered, label, feature in rows
    }


def _pieces(
    directory: Directory, name: str, from_us: int, to_us: int
) -> Iterator[tuple[int, int, str, str | None]]:
    """[from, to) cut where the registry says something else of an id: from, to, whose it is, and the plan."""
    since_us = from_us
    for piece in directory.pieces.get(name, ()):
        begin, end = max(piece.from_us, since_us), min(piece.to_us, to_us)
        if begin >= end:
            continue
        if begin > since_us:
            yield since_us, begin, name, None
        yield begin, end, piece.row.tenant, piece.row.words.get("plan")
        since_us = end
    if since_us < to_us:
        yield since_us, to_us, name, None


def _cut(from_us: int, to_us: int, changes: Sequence[int]) -> Iterator[tuple[int, int]]:
    for us in changes:
        if from_us < us < to_us:
            yield from_us, us
            from_us = us
    yield from_us, to_us


def _registered(
    directory: Directory, window: Window, times: Mapping[str, _Stretches], burners: set[str]
) -> list[tuple[TenantRow, int, int]]:
    """Rows of tenants with a revenue, and the times in the window in which nothing else is known of it."""
    found: list[tuple[TenantRow, int, int]] = []
    for name, pieces in directory.pieces.items():
        for piece in pieces:
            row = piece.row
            if row.tenant != name or row.revenue is None or name in burners:
                continue
            from_us, to_us = max(piece.from_us, window.from_us), min(piece.to_us, window.to_us)
            for begin, end in _without(from_us, to_us, _joined(times.get(name, []))):
                found.append((row, begin, end))
    return found


def _joined(stretches: _Stretches) -> _Stretches:
    """Stretches that overlap or touch as one, in the order of time."""
    found: _Stretches = []
    for begin, end in sorted(stretches):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def _without(from_us: int, to_us: int, taken: _Stretches) -> Iterator[tuple[int, int]]:
    for begin, end in taken:
        if from_us < min(begin, to_us):
            yield from_us, min(begin, to_us)
        from_us = max(from_us, end)
    if from_us < to_us:
        yield from_us, to_us
