"""Cost and revenue of a stretch of time, cell by cell: spread, allocated to features, and grouped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from otel_genai_cost.pricing.money import divide_half_even, readding
from otel_genai_cost.reports.margin.cell import Cell, CellKey
from otel_genai_cost.reports.margin.conversion import FINE
from otel_genai_cost.reports.margin.figures import Figures
from otel_genai_cost.reports.margin.income import Income, Window
from otel_genai_cost.reports.margin.spreading import SpreadRule, places, shares, weight, within
from otel_genai_cost.reports.selection import EVERYTHING, Selection

__all__ = [
    "BYS",
    "REVENUE_RULES",
    "Account",
    "Books",
    "By",
    "RevenueRule",
    "allocate_revenue",
    "books_of",
    "grouped",
    "tenant_costs",
]

By = Literal["tenant", "plan", "feature"]
BYS: Final[tuple[By, ...]] = ("tenant", "plan", "feature")
"""What a row may be about."""

RevenueRule = Literal["cost", "calls", "evenly"]
REVENUE_RULES: Final[tuple[RevenueRule, ...]] = ("cost", "calls", "evenly")
"""By what revenue may be given to features."""

_SYSTEM: Final = "system"


class Account(NamedTuple):
    """What a row is about.

    Attributes:
        what: `tenant`, `plan` or `feature`; `unattributed` and `shared` of what is nobody's and the platform's own;
            `all_features` of revenue that is for no feature alone.
        name: of the tenant, plan or feature; None for calls that name none.
    """

    what: str
    name: str | None


class Books(NamedTuple):
    """All cells of a stretch of time.

    Attributes:
        cells: by tenant, plan and feature.
        covered: of tenants whose revenue is known, for which part of the time.
        spread: atto of what was spread, by `unattributed` and `shared`; None where there is no rule, or nobody to bear
            it by that rule.
        deferred: see `Income`.
    """

    cells: dict[CellKey, Cell]
    covered: Mapping[str, Fraction]
    spread: Mapping[str, int] | None
    deferred: Mapping[str, int]


def books_of(
    costs: Mapping[CellKey, Cell], income: Income, window: Window, rule: SpreadRule | None
) -> Books:
    """Cost and revenue in one table, with what is nobody's spread by the rule.

    Args:
        costs: of calls; they are changed.
        income: likewise.
        window: of what time both are.
        rule: of `SPREAD_RULES`; None to leave it as it is.
    """
    cells, plans = dict(costs), _only_plans(costs)
    for key, cell in income.cells.items():
        named = key if key.plan is not None else key._replace(plan=plans.get(key.tenant))
        cells.setdefault(named, Cell()).add(cell)
    length = window.to_us - window.from_us
    covered = {tenant: Fraction(us, length) for tenant, us in income.covered.items()}
    return Books(cells, covered, _spread(cells, rule, covered), income.deferred)


def _only_plans(costs: Iterable[CellKey]) -> dict[str | None, str]:
    """The plan that each tenant's calls name, of those whose calls name one and no other."""
    found: dict[str | None, set[str]] = {}
    for key in costs:
        if key.plan is not None:
            found.setdefault(key.tenant, set()).add(key.plan)
    return {tenant: min(plans) for tenant, plans in found.items() if len(plans) == 1}


def _spread(
    cells: dict[CellKey, Cell], rule: SpreadRule | None, covered: Mapping[str, Fraction]
) -> dict[str, int] | None:
    if rule is None:
        return None
    nobodys = [key for key in cells if key.tenant is None and not cells[key].unconverted]
    totals: dict[str, int] = {}
    for key in nobodys:
        totals[_whose(key)] = totals.get(_whose(key), 0) + cells[key].cost
    atto = {name: divide_half_even(total, FINE) for name, total in totals.items()}
    of_tenants: dict[str, list[CellKey]] = {}
    for key in sorted(cells, key=repr):
        if key.tenant is not None:
            of_tenants.setdefault(key.tenant, []).append(key)
    weights = {
        name: _weight(rule, [cells[key] for key in keys]) for name, keys in of_tenants.items()
    }
    parts = shares(sum(atto.values()), weights)
    if not parts:
        return None
    for name, part in parts.items():
        _spread_within(part, [cells[key] for key in of_tenants[name]])
    for key in nobodys:
        del cells[key]
    return atto


def _whose(key: CellKey) -> str:
    return "shared" if key.absent == _SYSTEM else "unattributed"


def _weight(rule: SpreadRule, cells: list[Cell]) -> int:
    return weight(
        rule,
        cost=sum(cell.cost for cell in cells),
        calls=sum(cell.calls for cell in cells),
        revenue=sum(sum(cell.revenue.values()) for cell in cells),
    )


def _spread_within(part: int, cells: list[Cell]) -> None:
    """A tenant's part over its plans and features."""
    parts = within(part, [cell.cost for cell in cells], [cell.calls for cell in cells])
    for cell, own in zip(cells, parts, strict=True):
        cell.spread += own


def allocate_revenue(cells: dict[CellKey, Cell], rule: RevenueRule) -> None:
    """Give revenue that is for no feature alone to the features that its tenant used in the time; where it used none,
    it stays.

    Args:
        cells: to be changed.
        rule: by what each has of the tenant's cost or calls, or evenly.
    """
    used: dict[str | None, list[Cell]] = {}
    for key in sorted(cells, key=repr):
        if not key.is_general and cells[key].calls:
            used.setdefault(key.tenant, []).append(cells[key])
    for key in [one for one in cells if one.is_general and one.tenant in used]:
        _allocate(cells.pop(key), used[key.tenant], rule)


def _allocate(general: Cell, cells: list[Cell], rule: RevenueRule) -> None:
    calls = [cell.calls for cell in cells]
    weights = {"cost": [cell.cost for cell in cells], "calls": calls, "evenly": [1] * len(cells)}
    for kind, amount in general.revenue.items():
        parts = places(amount, (weights[rule], calls), len(cells))
        for cell, part in zip(cells, parts, strict=True):
            cell.add_revenue(kind, part)
    rest = Cell(unconverted=general.unconverted, spread=general.spread, cost=general.cost)
    cells[0].add(rest)


def grouped(books: Books, by: By, selection: Selection = EVERYTHING) -> dict[Account, Figures]:
    """The rows of a report. Each column re-adds to its sum, which is rounded once.

    Args:
        books: of the time.
        by: what a row is about.
        selection: whose tenants are shown.
    """
    general = {key.tenant for key in books.cells if key.is_general and by == "feature"}
    sums: dict[Account, Cell] = {}
    names: dict[Account, set[str]] = {}
    strangers: dict[Account, tuple[set[str], int]] = {}
    for key, cell in books.cells.items():
        if not selection.shows(key.tenant):
            continue
        account = _account(key, by)
        sums.setdefault(account, Cell()).add(cell)
        if key.tenant is None:
            continue
        names.setdefault(account, set()).add(key.tenant)
        is_general = key.tenant in general and account.what == "feature"
        if key.tenant not in books.covered or is_general:
            known, cost = strangers.get(account, (set[str](), 0))
            strangers[account] = known | {key.tenant}, cost + cell.cost + cell.spread * FINE
    return _rounded(sums, names, strangers, books.covered)


def _account(key: CellKey, by: By) -> Account:
    if key.tenant is None:
        return Account(_whose(key), None)
    if by == "feature" and key.is_general:
        return Account("all_features", None)
    return Account(by, {"tenant": key.tenant, "plan": key.plan, "feature": key.feature}[by])


def _rounded(
    sums: Mapping[Account, Cell],
    names: Mapping[Account, set[str]],
    strangers: Mapping[Account, tuple[set[str], int]],
    covered: Mapping[str, Fraction],
) -> dict[Account, Figures]:
    accounts = sorted(sums, key=lambda one: (one.what, one.name is None, one.name or ""))
    kinds = sorted({kind for cell in sums.values() for kind in cell.revenue})
    costs = readding([sums[one].cost for one in accounts], FINE)
    by_kind = {
        kind: readding([sums[one].revenue.get(kind, 0) for one in accounts], FINE) for kind in kinds
    }
    found: dict[Account, Figures] = {}
    for n, account in enumerate(accounts):
        cell = sums[account]
        unknown, unknown_cost = strangers.get(account, (set[str](), 0))
        found[account] = Figures(
            calls=cell.calls,
            unpriced=cell.unpriced,
            own_cost=costs[n],
            spread=cell.spread,
            revenue={kind: by_kind[kind][n] for kind in kinds if kind in cell.revenue},
            unknown=len(unknown),
            unknown_cost=divide_half_even(unknown_cost, FINE),
            tenants=len(names.get(account, ())),
            covered=covered.get(account.name or "") if account.what == "tenant" else None,
            seat_revenue=divide_half_even(cell.seat_revenue, FINE),
            seat_periods=cell.seat_periods,
            unconverted={place: amount for place, amount in cell.unconverted.items() if amount},
        )
    return found


def tenant_costs(books: Books) -> dict[str, int]:
    """What each tenant costs, in 1e-36."""
    found: dict[str, int] = {}
    for key, cell in books.cells.items():
        if key.tenant is not None:
            found[key.tenant] = found.get(key.tenant, 0) + cell.cost + cell.spread * FINE
    return found
