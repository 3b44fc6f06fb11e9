"""Where the plans of a ledger's customers are found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home
from otel_genai_cost.statements.plan_form import load_plans
from otel_genai_cost.statements.plans import Plan

__all__ = ["PlansOption", "plans_at", "plans_path"]

_FILE: Final = "plans.toml"

PlansOption = Annotated[
    Path | None,
    typer.Option("--plans", help=f"What tenants pay; default: {_FILE} in the ledger's folder."),
]


def plans_path(home: Home, given: Path | None) -> Path:
    """The file of plans: the one that was given, else that in the ledger's folder. It need not be there."""
    return given or home.folder / _FILE


def plans_at(home: Home, given: Path | None = None) -> tuple[Plan, ...]:
    """The plans of a file; None for that in the ledger's folder, and none without one.

    Args:
        home: the ledger's.
        given: the file, as it was named.

    Raises:
        ConfigurationError: if it cannot be read.
        PlansError: with every problem, if it is broken.
    """
    path = plans_path(home, given)
    return () if given is None and not path.exists() else tuple(load_plans(path))
