"""`budgets simulate`: what budgets would have done to the charges that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, cell, note, print_json, print_table
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.errors import BudgetsError
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import SOFT, Budget
from otel_genai_cost.limits.budget_form import BUDGETS_SCHEMA, budgets_of
from otel_genai_cost.limits.simulation import Simulated, simulated
from otel_genai_cost.limits.standing import standing_record
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.pricing.written_tables import written_tables
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.spending import converting, spending

__all__ = ["register"]

_COLUMNS: Final = (
    "budget",
    "scope",
    "period_from",
    "hard",
    "booked",
    "above",
    "blocked_calls",
    "blocked",
    "currency",
    "crossed",
)
_RIGHT: Final = frozenset({"hard", "booked", "above", "blocked_calls", "blocked"})
_WITHOUT: Final = ("tenant", "model", "feature", "as_of", "tz")


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost budgets`."""
    group.command(name="simulate")(selecting(_simulate, without=_WITHOUT))


def _simulate(
    file: Annotated[Path, typer.Option(help="The [[budget]] tables to try.")],
    selection: Selection,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What these budgets would have done to the charges booked so far. Nothing is changed. One that does not say from
    when it holds is taken to hold for ever."""
    written = written_tables(file, "budget", BudgetsError, BUDGETS_SCHEMA)
    budgets, problems = budgets_of(written.entries, {}, 0, str(file), written.lines)
    if problems:
        raise BudgetsError(tuple(problems))
    home = Home.to_read(ledger)
    found = list(home.ask(lambda opened: _simulated(opened, budgets, selection)))
    records = [_record(one) for one in found]
    if as_json:
        print_json(records)
    elif records:
        print_table(
            _COLUMNS,
            [[_cell(record[name]) for name in _COLUMNS] for record in records],
            right=_RIGHT,
        )
    if not found:
        note(f"no call in {home.folder} is one that these budgets count")


def _simulated(
    opened: Ledger, budgets: Sequence[Budget], selection: Selection
) -> Iterator[Simulated]:
    calls = spending(opened.entries, selection.from_us, selection.to_us)
    yield from simulated(budgets, calls, converting(opened.contracts))


def _record(one: Simulated) -> dict[str, Any]:
    crossings = [
        {
            "at": rfc3339(at_us),
            "threshold": crossing.mark if crossing.mark == SOFT else int(crossing.mark),
            "direction": crossing.direction,
            "episode": crossing.episode,
        }
        for at_us, crossing in one.crossed
    ]
    return {
        **standing_record(one.standing),
        "crossings": crossings,
        "blocked_calls": one.blocked_calls,
        "blocked": format_money(one.blocked),
        "above": format_money(one.above),
    }


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return cell(value)
