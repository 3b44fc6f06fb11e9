"""`budgets history`: one budget in every period: what was booked, and what was crossed when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.budgets.shown import no_budget, print_standings
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, print_json, print_table
from otel_genai_cost.ledger.projections.crossings import Crossed
from otel_genai_cost.ledger.projections.standings import standings_of
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.hold import Place
from otel_genai_cost.limits.standing import standing_record
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["register"]

_COLUMNS: Final = ("at", "scope", "threshold", "direction", "episode", "booked", "late")


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost budgets`."""
    group.command(name="history")(_history)


def _history(
    budget: Annotated[str, typer.Argument(metavar="ID", help="What the budget is called.")],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every period of a budget, and every crossing of its thresholds."""
    now_us = time.time_ns() // 1000
    home = Home.to_read(ledger)
    found = list(home.ask(lambda opened: _records(opened, budget, now_us)))
    if not found:
        raise no_budget(budget)
    if as_json:
        print_json(found)
        return
    print_standings(found, "table")
    crossed = [{**one, "scope": record["scope"]} for record in found for one in record["crossings"]]
    if crossed:
        rows = [[_cell(one[name]) for name in _COLUMNS] for one in crossed]
        print_table(_COLUMNS, rows, right=frozenset({"episode", "booked"}))


def _records(opened: Ledger, budget_id: str, now_us: int) -> Iterator[dict[str, Any]]:
    for one in standings_of(opened.budgets, opened.holds, budget_id, now_us):
        place = Place(one.budget.series, one.key, one.period_from_us)
        crossings = [_crossed(each) for each in opened.budgets.crossed(budget_id, place)]
        yield {**standing_record(one), "crossings": crossings}


def _crossed(one: Crossed) -> dict[str, Any]:
    mark = one.crossing.mark
    return {
        "at": rfc3339(one.at_us),
        "threshold": int(mark) if mark.isdigit() else mark,
        "direction": one.crossing.direction,
        "episode": one.crossing.episode,
        "booked": format_money(one.booked),
        "late": one.late,
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "-"
    return str(value)
