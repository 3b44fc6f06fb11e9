"""`prices validate`: every problem of price files, overlays or contracts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.output import JsonOption, print_json, say
from otel_genai_cost.cli.prices.rows import ContractsFlag
from otel_genai_cost.errors import PriceBookError, Problem
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.layers import load_layers
from otel_genai_cost.pricing.load import load_book

__all__ = ["register"]


def register(prices: typer.Typer) -> None:
    """Add the command to `genai-cost prices`."""
    prices.command(name="validate")(_validate)


def _validate(
    paths: Annotated[list[Path], typer.Argument(help="Price files or folders.")],
    overlay: Annotated[
        bool, typer.Option("--overlay", help="They are laid over the configured book.")
    ] = False,
    contracts: ContractsFlag = False,
    as_json: JsonOption = False,
) -> None:
    """Every problem of price files, overlays or contracts; exit code 1 if there is one."""
    if overlay:
        base = load_settings().settings.book
        found = _problems(lambda: load_layers(base, paths))
    else:
        read = load_contracts if contracts else load_book
        found = [problem for path in paths for problem in _problems(partial(read, path))]
    if as_json:
        print_json(problem._asdict() for problem in found)
    else:
        say("\n".join(map(str, found)) if found else "no problem")
    if found:
        raise typer.Exit(1)


def _problems(read: Callable[[], object]) -> list[Problem]:
    try:
        read()
    except PriceBookError as error:
        return list(error.problems)
    return []
