"""`plans fair-use`: who uses more of what a plan includes than is fair."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.alerts.watch import Hourly
from otel_genai_cost.cli.home import Home, HomeOption, watched_contracts
from otel_genai_cost.cli.output import JsonOption, cell, note, print_json, print_table
from otel_genai_cost.cli.plan_file import PlansOption, plans_at, plans_path
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice
from otel_genai_cost.reports.asking import instant
from otel_genai_cost.statements.plan_form import load_plans
from otel_genai_cost.statements.plans import Plan
from otel_genai_cost.statements.upgrades import (
    FairUseOf,
    fair_uses,
    upgrade_notices,
    use_record,
)

__all__ = ["register", "upgrades_hourly"]

_logger = logging.getLogger("otel_genai_cost")
_COLUMNS: Final = ("tenant", "plan", "rule", "limit", "used", "currency", "crossed", "calls")
_RIGHT: Final = frozenset({"limit", "used", "calls"})


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost plans`."""
    group.command(name="fair-use")(_fair_use)


def _fair_use(
    at: Annotated[
        str, typer.Option(help="An instant of the month, up to which calls count; now.")
    ] = "",
    plans: PlansOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """How each tenant's month compares with what its plan calls fair; `alerts serve` tells the team of those beyond."""
    home = Home.to_read(ledger)
    at_us = instant("--at", at) or time.time_ns() // 1000
    path = plans_path(home, plans)
    if not path.exists():
        raise ConfigurationError(
            "no plans", value=str(path), remedy="write that file, or name one with --plans"
        )
    known = load_plans(path)
    records = [use_record(one) for one in _found(home, known, at_us)] if home.fresh() else []
    if as_json:
        print_json(records)
    elif records:
        print_table(_COLUMNS, [_cells(one) for one in records], right=_RIGHT)
    if not records:
        note("no tenant with calls in that month has a plan with a rule of fair use")


def _cells(record: dict[str, Any]) -> list[str]:
    shown = {**record, "crossed": "yes" if record["crossed"] else "no"}
    return [cell(shown[name]) for name in _COLUMNS]


def _found(home: Home, plans: Sequence[Plan], at_us: int) -> list[FairUseOf]:
    with closing(home.ledger()) as opened:
        return _uses(home, plans, opened, at_us)


def _uses(home: Home, plans: Sequence[Plan], ledger: Ledger, at_us: int) -> list[FairUseOf]:
    watched = watched_contracts()
    terms = ledger.contracts if watched is None else watched()
    return fair_uses(ledger, plans, directory_at(home), terms, at_us)


def upgrades_hourly(home: Home) -> Hourly:
    """What `alerts serve` says once an hour of tenants who use more than is fair; nothing without a file of plans.

    Args:
        home: of the ledger. Plans and the registry are read each time, and one that is broken is logged.
    """

    def hourly(ledger: Ledger, now_us: int) -> Sequence[Notice]:
        try:
            plans = plans_at(home)
            return upgrade_notices(_uses(home, plans, ledger, now_us), now_us) if plans else ()
        except GenAICostError as error:
            _logger.error("fair use is not looked at: %s", " | ".join(str(error).splitlines()))
            return ()

    return hourly
