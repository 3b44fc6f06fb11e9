"""`statements diff`: what changed between two revisions, or since the last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.cli.plan_file import PlansOption
from otel_genai_cost.cli.statements.asked import (
    AnchorOption,
    ByOption,
    CadenceOption,
    PeriodOption,
    SpreadOption,
    TenantOption,
    ZoneOption,
    asked_of,
    now_us,
    period_of,
    spreading_of,
)
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.statements.exports.numbering import whose_name
from otel_genai_cost.statements.gather import Series
from otel_genai_cost.statements.revise import Closing, plus, sum_of_lines
from otel_genai_cost.statements.rounding import payable_text
from otel_genai_cost.statements.run import looked
from otel_genai_cost.statements.statement import Statement, StatementLine
from otel_genai_cost.statements.store import Statements, series_of

__all__ = ["register"]

_COLUMNS: Final = ("tenant", "product", "unit", "before", "after", "difference", "currency")
_RIGHT: Final = frozenset({"before", "after", "difference"})


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost statements`."""
    group.command(name="diff")(_diff)


def _diff(
    period: PeriodOption = "",
    cadence: CadenceOption = None,
    anchor: AnchorOption = None,
    tenant: TenantOption = None,
    by: ByOption = None,
    from_revision: Annotated[
        int | None, typer.Option(help="From this revision on; default: the last one stated.")
    ] = None,
    to_revision: Annotated[
        int | None, typer.Option(help="To this revision; default: what the ledger says now.")
    ] = None,
    tz: ZoneOption = "UTC",
    plans: PlansOption = None,
    spread: SpreadOption = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What changed of each line from one revision to another, or since the last one, which the next one will have.
    Nothing is kept."""
    home, now = Home.to_read(ledger), now_us()
    calendar, first_day = period_of(period, cadence, anchor, now)
    asked = asked_of(
        home,
        calendar,
        [first_day],
        scope=by,
        tenants=tenant,
        zone=tz,
        closing=Closing(now, 0),
        plans=plans,
        spreading=spreading_of(spread, overrules=True, tenants=tenant),
    )
    if not home.fresh():
        note(f"no ledger in {home.folder}: nothing was stated")
        return
    with (
        closing(home.ledger()) as opened,
        closing(Statements(home.folder, readonly=True)) as file,
    ):
        outcome, _ = looked(opened, file, asked)
    kept = len(outcome.stated) - len(outcome.fresh)
    rows = list(_rows(outcome.stated[:kept], outcome.statements, from_revision, to_revision))
    if as_json:
        print_json(rows)
    elif rows:
        print_table(_COLUMNS, list(map(_cells, rows)), right=_RIGHT)
    if not rows:
        note("nothing differs")


def _rows(
    kept: Sequence[Statement], every: Sequence[Statement], first: int | None, last: int | None
) -> Iterator[Mapping[str, Any]]:
    stated = {one.digest for one in kept}
    by_series: dict[Series, list[Statement]] = {}
    for one in every:
        by_series.setdefault(series_of(one), []).append(one)
    for revisions in by_series.values():
        before, after = _between(revisions, stated, first, last)
        yield from _of_series(before, after, revisions[0])


def _between(
    revisions: Sequence[Statement], stated: set[str], first: int | None, last: int | None
) -> tuple[Sequence[Statement], Sequence[Statement]]:
    known = sum(one.digest in stated for one in revisions)
    for number in (first, last):
        if number is not None and not 0 <= number <= known:
            raise ConfigurationError(
                "no such revision",
                value=number,
                where=f"{whose_name(revisions[0])}, {revisions[0].label}",
                remedy=f"name one of 0 to {known}",
            )
    if first is None:
        first = known if last is None else max(0, last - 1)
    return revisions[:first], revisions if last is None else revisions[:last]


def _of_series(
    before: Sequence[Statement], after: Sequence[Statement], one: Statement
) -> Iterator[Mapping[str, Any]]:
    was, now = sum_of_lines(before), sum_of_lines(after)
    for key in sorted({*was, *now}):
        line = now.get(key) or was[key]
        nothing = line._replace(quantity=0, amount=0, exact=0, cost=0)
        old, new = was.get(key, nothing), now.get(key, nothing)
        if old != new:
            yield {
                "tenant": one.tenant,
                "whose": one.whose,
                "period": one.label,
                "period_from": rfc3339(one.period_from_us),
                "period_to": rfc3339(one.period_to_us),
                "scope": one.scope,
                "scope_value": one.scope_value,
                "from_revision": len(before),
                "to_revision": len(after),
                "product": line.product,
                "unit": line.unit,
                "currency": one.currency,
                "before": _side(old, one.currency),
                "after": _side(new, one.currency),
                "difference": _side(plus(new, old, -1), one.currency),
            }


def _side(line: StatementLine, currency: str) -> dict[str, Any]:
    return {
        "quantity": line.quantity,
        "amount": payable_text(line.amount, currency),
        "exact": format_money(line.exact),
        "cost": format_money(line.cost),
    }


def _cells(row: Mapping[str, Any]) -> list[str]:
    sides = [row[side]["amount"] for side in ("before", "after", "difference")]
    who = row["tenant"] or f"({row['whose']})"
    return [who, row["product"], row["unit"], *sides, row["currency"]]
