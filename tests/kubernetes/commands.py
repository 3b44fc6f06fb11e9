"""Command lines that stand in manifests and pages, held against the commands that there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import click

from otel_genai_cost.cli.app import command

__all__ = ["parse"]


def parse(arguments: Sequence[str]) -> None:
    """Parse what follows `genai-cost`, and do nothing.

    Raises:
        Exception: a usage error, of click or of Typer, if there is no such command or option, or it does not take that
            value.
    """
    _parse(cast("click.Group", command()), list(arguments))


def _parse(group: click.Group, arguments: list[str]) -> None:
    name, found, rest = group.resolve_command(click.Context(group), arguments)
    assert found is not None and name is not None
    if hasattr(found, "resolve_command"):  # Typer's groups are not click's
        _parse(cast("click.Group", found), rest)
    else:
        found.make_context(name, list(rest))
