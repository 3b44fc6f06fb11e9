"""`config`: what is set, and where it was set."""

from __future__ import annotations

import typer

from otel_genai_cost.cli.ledger_settings import LEDGER_SETTINGS
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.metering.config import SETTINGS
from otel_genai_cost.settings import as_text, read

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="config")(_config)


def _config(as_json: JsonOption = False) -> None:
    """Each setting, its value and where it came from."""
    settings = (*SETTINGS, *LEDGER_SETTINGS)
    found = read(settings)
    rows = [(one.env, as_text(found.values[one.name]), found.origins[one.name]) for one in settings]
    if as_json:
        print_json({"setting": env, "value": value, "from": origin} for env, value, origin in rows)
    else:
        print_table(
            ("setting", "value", "from"), rows, right=frozenset(), prose=frozenset({"value"})
        )
    for problem in found.problems:
        note(str(problem))
