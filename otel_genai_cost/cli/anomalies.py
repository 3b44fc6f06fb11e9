"""`anomalies`: who spends clearly more than usual."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.groups import SideOption, side_of
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import CsvOption, JsonOption, form_of, note
from otel_genai_cost.cli.records import show_records
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.limits.alert import alert_record
from otel_genai_cost.limits.charge_flags import FLAGS
from otel_genai_cost.reports.anomalies import anomalies
from otel_genai_cost.reports.flags import flag_record, flags
from otel_genai_cost.reports.selection import Selection

__all__ = ["register"]

_COLUMNS: Final = (
    "at",
    "rule",
    "scope",
    "window_h",
    "observed",
    "expected",
    "ratio",
    "currency",
    "budget",
)


_FLAGS: Final = (
    "at",
    "flag",
    "tenant",
    "feature",
    "model",
    "observed",
    "expected",
    "charge_id",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="anomalies")(selecting(_anomalies))


def _anomalies(
    selection: Selection,
    side: SideOption = "cost",
    of_calls: Annotated[
        bool,
        typer.Option("--flags", help=f"Single calls that are odd instead: {', '.join(FLAGS)}."),
    ] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Who spends clearly more than usual, and since when; `--from` and `--to` say of when the alerts are."""
    form = form_of(as_json=as_json, as_csv=as_csv)
    selection, home = selection._replace(side=side_of(side)), Home.to_read(ledger)
    if (selection.models or selection.features) and not of_calls:
        raise ConfigurationError(
            "--model and --feature are of single calls", remedy="add --flags, or leave them out"
        )
    has_ledger, selection = home.fresh(), joined(home, selection)
    found = _found(home, selection, of_calls=of_calls) if has_ledger else iter(())
    first = next(found, None)
    if first is None and has_ledger:
        note(f"nothing unusual {selection}")
        return
    every = iter(()) if first is None else chain((first,), found)
    show_records(every, _FLAGS if of_calls else _COLUMNS, form, home, selection)


def _found(home: Home, selection: Selection, *, of_calls: bool) -> Iterator[dict[str, Any]]:
    with closing(home.ledger()) as opened:
        if of_calls:
            yield from map(flag_record, flags(home.store(), opened, selection))
            return
        found = anomalies(home.store(), selection, opened.budgets.active)
    yield from map(alert_record, found)
