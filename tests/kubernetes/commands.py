"""Command lines that stand in manifests and pages, held against the commands that there are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import click
import typer.main

from otel_genai_cost.cli.app import build

__all__ = ["parse"]


def parse(arguments: Sequence[str]) -> None:
    """Parse what follows `genai-cost`, and do nothing.

    Raises:
        Exception: a usage error, of click or of Typer, if there is no such command or option, or it does not take that
            value.
    """
    _parse(_program(), list(arguments))


@lru_cache(maxsize=1)
def _program() -> click.Group:
    return cast("click.Group", typer.main.get_command(build()))


def _parse(group: click.Group, arguments: list[str]) -> None:
    name, command, rest = group.resolve_command(click.Context(group), arguments)
    assert command is not None and name is not None
    if hasattr(command, "resolve_command"):  # Typer's groups are not click's
        _parse(cast("click.Group", command), rest)
    else:
        command.make_context(name, list(rest))
