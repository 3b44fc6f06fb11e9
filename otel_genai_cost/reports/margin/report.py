"""The report of margin: accounts below the target first, the change since the time before, and what a price would have
to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.projections.credits import Burnt
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.limits.period import period
from otel_genai_cost.reports.margin.assembly import (
    BYS,
    Account,
    Books,
    By,
    RevenueRule,
    allocate_revenue,
    books_of,
    grouped,
    tenant_costs,
)
from otel_genai_cost.reports.margin.conversion import Conversion
from otel_genai_cost.reports.margin.costs import costs
from otel_genai_cost.reports.margin.figures import Figures, percent
from otel_genai_cost.reports.margin.income import Window, income
from otel_genai_cost.reports.margin.spreading import SpreadRule
from otel_genai_cost.reports.revenue.row import Revenue
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import extent, report

__all__ = ["Known", "MarginReport", "MarginRow", "Question", "currencies", "margin"]

_TOP_PERCENT: Final = 5


class Question(NamedTuple):
    """What is asked.

    Attributes:
        currency: of the report.
        by: what a row is about.
        target: the share of revenue that margin should be, in 1e-18, below 1.
        spread: by what cost that is nobody's is spread; None where it has rows of its own.
        revenue_by: by what revenue is given to features; None where it is not.
    """

    currency: str
    by: By = "tenant"
    target: int = 0
    spread: SpreadRule | None = None
    revenue_by: RevenueRule | None = None


class Known(NamedTuple):
    """What a report is made from, beside the store of entries.

    Attributes:
        rows: imported revenue.
        burnt: what calls burnt of credit, in the order in which that was recorded.
        contracts: where exchange rates stand.
        now_us: the time, unix microseconds; until then revenue is recognised where no end is asked for.
        until_seq: the last entry that counts; None for all.
    """

    rows: Sequence[Revenue]
    burnt: Sequence[Burnt]
    contracts: Contracts
    now_us: int
    until_seq: int | None = None


class MarginRow(NamedTuple):
    """One account; `before` is the same in the time before, None where that is not asked for or there was nothing."""

    account: Account
    figures: Figures
    before: Figures | None

    @property
    def trend(self) -> int | None:
        """By how many percentage points its margin changed, in 1e-18."""
        now = percent(self.figures.share)
        then = None if self.before is None else percent(self.before.share)
        return None if now is None or then is None else now - then


class MarginReport(NamedTuple):
    """All of it.

    Attributes:
        question: what was asked.
        window: of what time.
        before: the time before; None where no beginning was asked for.
        rows: accounts below the target first, the worst of them at the top; then those of unknown revenue, the dearest
            first; then all others; then what is nobody's.
        books: of all cells.
        top: how many tenants are five per cent of all, and their share of what tenants cost.
    """

    question: Question
    window: Window
    before: Window | None
    rows: tuple[MarginRow, ...]
    books: Books
    top: tuple[int, Fraction | None]


def currencies(store: Queryable, selection: Selection, rows: Sequence[Revenue]) -> list[str]:
    """The currencies that revenue and costs are in, those of revenue first.

    Args:
        store: what holds the entries.
        selection: which calls.
        rows: imported revenue.
    """
    registered = [row.revenue.currency for row in selection.directory.rows if row.revenue]
    of_revenue = sorted({*(row.currency for row in rows), *registered})
    of_costs = sorted({group.currency for group in report(store, ["tenant"], selection)})
    return list(dict.fromkeys([*of_revenue, *of_costs]))


def margin(
    store: Queryable,
    known: Known,
    selection: Selection,
    question: Question,
    *,
    alone: bool = False,
) -> MarginReport:
    """The margin of a time.

    Args:
        store: what holds the entries.
        known: what else is known.
        selection: of what time, and which tenants are shown and may be seen; spreading and shares are always of all.
        question: what is asked.
        alone: whether, where nothing is spread, what others cost is left unread: the rows are the same, but the share
            of the dearest is of those shown.
    """
    everybody = selection._replace(tenants=(), visible=None, side="cost")
    window = _window(store, known, everybody)
    every = everybody
    if alone and question.spread is None:
        every = everybody._replace(tenants=selection.tenants, visible=selection.visible)
    books = _books(store, known, every, window, question)
    before = None if selection.from_us is None else _before(window, str(selection.zone))
    past: Mapping[Account, Figures] = {}
    if before is not None:
        then = _books(store, known, every, before, question)
        past = grouped(then, question.by, selection)
    found = grouped(books, question.by, selection)
    rows = [MarginRow(account, figures, past.get(account)) for account, figures in found.items()]
    rows.sort(key=lambda row: _order(row, question.target))
    return MarginReport(question, window, before, tuple(rows), books, _top(tenant_costs(books)))


def _window(store: Queryable, known: Known, selection: Selection) -> Window:
    """Without a beginning from the first call or the first revenue on; without an end until now, or the last call."""
    from_us, to_us = selection.from_us, selection.to_us
    if from_us is None or to_us is None:
        calls = extent(store, selection, known.until_seq)
        begins = [row.from_us for row in known.rows]
        begins += [] if calls.first_us is None else [calls.first_us]
        from_us = min(begins, default=0) if from_us is None else from_us
        last_us = max(known.now_us, (calls.last_us or 0) + 1_000_000)
        to_us = last_us if to_us is None else to_us
    return Window(from_us, max(to_us, from_us + 1))


def _before(window: Window, zone: str) -> Window:
    """The month before a calendar month; else as long a time before."""
    if period("month", zone, 1, window.from_us) == tuple(window):
        return Window(*period("month", zone, 1, window.from_us - 1))
    return Window(2 * window.from_us - window.to_us, window.from_us)


def _books(
    store: Queryable, known: Known, selection: Selection, window: Window, question: Question
) -> Books:
    conversion = Conversion(known.contracts, question.currency)
    within = selection._replace(from_us=window.from_us, to_us=window.to_us)
    last = known.until_seq
    burnt = [one for one in known.burnt if last is None or one.seq <= last]
    earned = income(known.rows, burnt, store, within, window, conversion)
    books = books_of(costs(store, within, conversion, last), earned, window, question.spread)
    if question.by == "feature" and question.revenue_by is not None:
        allocate_revenue(books.cells, question.revenue_by)
    return books


def _order(row: MarginRow, target: int) -> tuple[object, ...]:
    """Loss-makers without any revenue are at the very top: nothing is below what they bring."""
    figures, account = row.figures, row.account
    name = (account.what, account.name or "")
    if account.what not in BYS:
        return 3, Fraction(0), -figures.cost, name
    is_below = figures.is_below(target)
    if is_below is None:
        return 1, Fraction(0), -figures.cost, name
    if figures.share is None:
        return 0 if is_below else 2, Fraction(-(10**60)), -figures.cost, name
    return 0 if is_below else 2, figures.share, figures.margin, name


def _top(costs_of: Mapping[str, int]) -> tuple[int, Fraction | None]:
    count = -(-_TOP_PERCENT * len(costs_of) // 100)
    whole = sum(costs_of.values())
    dearest = sum(sorted(costs_of.values(), reverse=True)[:count])
    return count, Fraction(dearest, whole) if whole > 0 else None
