"""`budgets set`: versions of budgets, from a file or from options."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json
from otel_genai_cost.errors import BudgetsError, ConfigurationError, LedgerLockedError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.budgeting import decide_budgets, known_budgets
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget_form import BUDGETS_SCHEMA, fields_of, version_record
from otel_genai_cost.pricing.written_tables import WrittenTables, written_tables

__all__ = ["register"]

_PLACE = "budgets set"


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost budgets`."""
    group.command(name="set")(_set)


def _set(
    budget: Annotated[str, typer.Argument(metavar="ID", help="What it is called.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="What the [[budget]] tables of this file say.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help='Of whom: tenant=acme, or "tenant=*" for each its own. Repeatable.'),
    ] = None,
    period: Annotated[str, typer.Option(help="day, week, month, anchored or total.")] = "",
    zone: Annotated[str, typer.Option(help="Whose calendar: Europe/Berlin, for example.")] = "",
    anchor: Annotated[int | None, typer.Option(help="Day of the month, of anchored.")] = None,
    side: Annotated[str, typer.Option(help="cost or price.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217, or ACU.")] = "",
    soft: Annotated[str, typer.Option(help="What is reported when it is exceeded.")] = "",
    hard: Annotated[str, typer.Option(help="What the gate does not let through.")] = "",
    threshold: Annotated[
        list[int] | None, typer.Option(help="Whole per cents that are reported. Repeatable.")
    ] = None,
    from_: Annotated[
        str, typer.Option("--from", help="From when: with an offset, or a date; now.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="Until when; until the next version.")] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide budgets: all that is given, or nothing if anything is wrong. What the options leave out is as before."""
    given: dict[str, Any] = {
        "scope": None if scope is None else _scope(scope),
        "period": period,
        "zone": zone,
        "anchor": anchor,
        "side": side,
        "currency": currency,
        "soft": soft,
        "hard": hard,
        "thresholds": threshold,
        "from": from_,
        "to": to,
    }
    given = {key: value for key, value in given.items() if value not in (None, "")}
    home = Home.at(ledger)
    if file is not None:
        if budget or given:
            raise ConfigurationError("--file has the budgets", remedy="leave the others out")
        written, place = written_tables(file, "budget", BudgetsError, BUDGETS_SCHEMA), str(file)
    elif not budget:
        raise ConfigurationError("no budget", remedy="pass --file budgets.toml, or an ID")
    else:
        written, place = WrittenTables([_with_rest(home, budget, given)]), _PLACE
    _decide(home, written, place, as_json=as_json)


def _scope(pairs: Sequence[str]) -> dict[str, str]:
    return {dimension: value for dimension, _, value in (pair.partition("=") for pair in pairs)}


def _with_rest(home: Home, budget_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields given, and the rest as in the version that was recorded last."""
    before = known_budgets(home.folder / LEDGER_FILE).get(budget_id, ())
    return {**(fields_of(before[-1]) if before else {"id": budget_id}), **given}


def _decide(home: Home, written: WrittenTables, place: str, *, as_json: bool) -> None:
    now_us = time.time_ns() // 1000
    path = home.folder / LEDGER_FILE
    found = decide_budgets(path, written.entries, now_us, place=place, lines=written.lines)
    count = len(written.entries)
    note(f"{len(found)} of {count} budget{'' if count == 1 else 's'} changed in {home.folder}")
    try:
        ship(home.folder, ())
    except LedgerLockedError:
        note("another process ships into this ledger: it takes effect within seconds")
    if as_json:
        with closing(Ledger(path, readonly=True)) as opened:
            every = opened.budgets.every()
        print_json(
            version_record(one)
            for each in found
            for one in every.get(each.id, [each])
            if one.facts == each.facts and one.recorded_at_us == each.recorded_at_us
        )
