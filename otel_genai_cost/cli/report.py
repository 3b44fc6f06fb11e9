"""`report`: cost by tenant, model, feature, hour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.groups import ByOption, SideOption, dimensions, show_groups, side_of
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.margin import margin_if_known
from otel_genai_cost.cli.output import CsvOption, JsonOption, form_of, note
from otel_genai_cost.cli.registry import joined
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import TIMES, report

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="report")(selecting(_report))


def _report(
    by: ByOption = "tenant",
    *,
    selection: Selection,
    side: SideOption = "cost",
    sort: Annotated[
        str,
        typer.Option(
            help="cost or name; default: by cost, by name where --by has a stretch of time.",
            autocompletion=lambda: ["cost", "name"],
        ),
    ] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    html: Annotated[
        Path | None, typer.Option(help="Write one self-contained page to this file.")
    ] = None,
) -> None:
    """Cost, grouped; times are when a call ended."""
    form, names = form_of(as_json=as_json, as_csv=as_csv), dimensions(by)
    by_cost = _is_by_cost(sort, names)
    if html is not None and form != "table":
        raise ConfigurationError(
            f"--html and --{form} exclude each other", remedy="pass one of them"
        )
    selection, home = selection._replace(side=side_of(side)), Home.to_read(ledger)
    has_ledger, selection = home.fresh(), joined(home, selection)
    if html is not None:
        _write_page(home, html, selection, has_ledger)
        return
    groups = report(home.store(), names, selection, by_cost=by_cost) if has_ledger else []
    show_groups(groups, names, form, home, selection)


def _is_by_cost(sort: str, names: Sequence[str]) -> bool:
    """Raises ConfigurationError for an order there is none of."""
    if sort not in ("", "cost", "name"):
        raise ConfigurationError("--sort is no order", value=sort, remedy="write cost or name")
    return sort == "cost" or (not sort and not set(names) & set(TIMES))


def _write_page(home: Home, path: Path, selection: Selection, has_ledger: bool) -> None:
    if not has_ledger:
        raise ConfigurationError(
            "nothing to make a page of: no call was metered",
            where=", ".join(map(str, (home.folder, *home.journals))),
            remedy="see genai-cost doctor",
        )
    from otel_genai_cost.reports.html import page

    text = page(
        home.store(),
        home.ledger(),
        home.has_book(),
        selection,
        lambda until_seq: margin_if_known(home, selection, until_seq),
    )
    path.write_text(text, encoding="utf-8")
    note(f"wrote {path}")
