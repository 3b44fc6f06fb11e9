"""`budgets show`: one budget: what it says now, what it said before, and how it stands."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, cast

import typer

from otel_genai_cost.cli.budgets.shown import no_budget, print_standings, standing_of_all
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, cell, print_json, print_table
from otel_genai_cost.ledger.projections.standings import standings
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget_form import version_record

__all__ = ["register"]

_COLUMNS: Final = ("version", "from", "to", "recorded", "soft", "hard", "thresholds", "ladder")


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost budgets`."""
    group.command(name="show")(_show)


def _show(
    budget: Annotated[str, typer.Argument(metavar="ID", help="What the budget is called.")],
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """A budget's versions, and how it stands in its period of now."""
    now_us = time.time_ns() // 1000
    found = list(Home.to_read(ledger).ask(lambda opened: _records(opened, budget, now_us)))
    if not found:
        raise no_budget(budget)
    versions: list[dict[str, Any]] = found[0]["versions"]
    if as_json:
        print_json(found)
        return
    print_table(
        _COLUMNS,
        [[_text(one.get(name)) for name in _COLUMNS] for one in versions],
        right=frozenset({"version", "soft", "hard"}),
    )
    print_standings([one for one in found if "scope" in one], "table")


def _records(opened: Ledger, budget_id: str, now_us: int) -> Iterator[dict[str, Any]]:
    """How it stands, with its versions; these alone where it does not hold now."""
    versions = [version_record(one) for one in opened.budgets.versions(budget_id)]
    found = [
        one for one in standings(opened.budgets, opened.holds, now_us) if one.budget.id == budget_id
    ]
    for record in standing_of_all(found):
        yield {**record, "versions": versions}
    if versions and not found:
        yield {"budget": budget_id, "versions": versions}


def _text(value: object) -> str:
    if not isinstance(value, list):
        return cell(value)
    return " ".join(map(_word, cast("Iterable[Any]", value)))


def _word(value: Any) -> str:
    """A threshold, or a rung of the ladder."""
    return f"{value['do']}@{value['at']}" if isinstance(value, dict) else str(value)
