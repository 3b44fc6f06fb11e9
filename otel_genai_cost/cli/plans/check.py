"""`plans check`: what is wrong with a file of plans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.output import say
from otel_genai_cost.statements.plan_form import load_plans

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost plans`."""
    group.command(name="check")(_check)


def _check(file: Annotated[Path, typer.Argument(help="A file of plans, in TOML.")]) -> None:
    """Read a file of plans; with every problem in one go if it is broken."""
    found = load_plans(file)
    say(f"{file}: {len(found)} plan{'' if len(found) == 1 else 's'}")
