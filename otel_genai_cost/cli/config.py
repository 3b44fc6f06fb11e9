"""`config`: what is set, and where it was set."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.metering.config import SETTINGS, load_settings
from otel_genai_cost.tenancy.edge import TenantSource

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="config")(_config)


def _config(as_json: JsonOption = False) -> None:
    """Each setting, its value and where it came from."""
    loaded = load_settings()
    rows = [
        (row.env, _shown(getattr(loaded.settings, row.name)), loaded.origins[row.name])
        for row in SETTINGS
    ]
    if as_json:
        print_json({"setting": env, "value": value, "from": origin} for env, value, origin in rows)
    else:
        print_table(
            ("setting", "value", "from"), rows, right=frozenset(), prose=frozenset({"value"})
        )
    for problem in loaded.problems:
        note(str(problem))


def _shown(value: object) -> str:
    if isinstance(value, TenantSource):
        return f"{value.kind}:{value.name}"
    if isinstance(value, tuple):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
