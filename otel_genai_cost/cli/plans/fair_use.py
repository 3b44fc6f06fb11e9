"""`plans fair-use`: who uses more of what a plan includes than is fair."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.alerts.watch import Hourly
from otel_genai_cost.cli.home import Home, HomeOption, watched_contracts
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.cli.selecting import instant
from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice
from otel_genai_cost.statements.plan_form import load_plans
from otel_genai_cost.statements.upgrades import (
    FairUseOf,
    fair_uses,
    upgrade_notices,
    use_record,
)

__all__ = ["PLANS_FILE", "PlansOption", "register", "upgrades_hourly"]

PLANS_FILE: Final = "plans.toml"
"""In the ledger's folder."""

PlansOption = Annotated[
    Path | None, typer.Option("--plans", help=f"Default: {PLANS_FILE} in the ledger's folder.")
]

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
    path = plans or home.folder / PLANS_FILE
    if not path.exists():
        raise ConfigurationError(
            "no plans", value=str(path), remedy="write that file, or name one with --plans"
        )
    load_plans(path)
    records = [use_record(one) for one in _found(home, path, at_us)] if home.fresh() else []
    if as_json:
        print_json(records)
    elif records:
        print_table(_COLUMNS, [_cells(one) for one in records], right=_RIGHT)
    if not records:
        note("no tenant with calls in that month has a plan with a rule of fair use")


def _cells(record: dict[str, Any]) -> list[str]:
    shown = {**record, "crossed": "yes" if record["crossed"] else "no"}
    return ["-" if shown[name] is None else str(shown[name]) for name in _COLUMNS]


def _found(home: Home, path: Path, at_us: int) -> list[FairUseOf]:
    with closing(home.ledger()) as opened:
        return _uses(home, path, opened, at_us)


def _uses(home: Home, path: Path, ledger: Ledger, at_us: int) -> list[FairUseOf]:
    watched = watched_contracts()
    terms = ledger.contracts if watched is None else watched()
    return fair_uses(ledger, load_plans(path), directory_at(home), terms, at_us)


def upgrades_hourly(home: Home) -> Hourly:
    """What `alerts serve` says once an hour of tenants who use more than is fair; nothing without a file of plans.

    Args:
        home: of the ledger. Plans and the registry are read each time, and one that is broken is logged.
    """
    path = home.folder / PLANS_FILE

    def hourly(ledger: Ledger, now_us: int) -> Sequence[Notice]:
        if not path.exists():
            return ()
        try:
            return upgrade_notices(_uses(home, path, ledger, now_us), now_us)
        except GenAICostError as error:
            _logger.error("fair use is not looked at: %s", " | ".join(str(error).splitlines()))
            return ()

    return hourly
