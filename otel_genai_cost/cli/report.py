"""`report` and `top`: cost by tenant, model, feature, hour."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption, JsonOption, instant, tell
from otel_genai_cost.cli.output import print_csv, print_json, print_table
from otel_genai_cost.reports.tables import Group, group_record, report, totals

__all__ = ["register"]

_FIGURES: Final = ("calls", "priced", "unpriced", "total", "currency")
_NUMBERS: Final = frozenset(_FIGURES[:4])
_MINUTE_US: Final = 60_000_000
_MINUTES_MAX: Final = 100_000_000


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="report")(_report)
    app.command(name="top")(_top)


def _report(
    by: Annotated[
        str, typer.Option(help="Comma-separated: tenant, model, feature, hour, day, service, …")
    ] = "tenant",
    from_: Annotated[
        str, typer.Option("--from", help="First instant, RFC 3339 with an offset.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="First instant that no longer counts.")] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a head.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write one self-contained page to this file.")
    ] = None,
) -> None:
    """Cost, grouped; times are when a call ended."""
    names = _dimensions(by)
    span = (instant("--from", from_), instant("--to", to))
    home = Home.at(ledger)
    home.fresh()
    if html is not None:
        from otel_genai_cost.reports.html import page

        html.write_text(page(home.store(), home.ledger(), home.book_of(), *span), encoding="utf-8")
        tell(f"wrote {html}")
        return
    groups = report(home.store(), names, from_us=span[0], to_us=span[1])
    _show(names, groups, as_json=as_json, as_csv=as_csv)


def _top(
    by: Annotated[str, typer.Option(help="What to rank: tenant, model, feature, …")] = "tenant",
    minutes: Annotated[
        int, typer.Option(min=1, max=_MINUTES_MAX, help="How far back to look.")
    ] = 15,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 10,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a head.")] = False,
) -> None:
    """Who costs most right now."""
    names = _dimensions(by)
    home = Home.at(ledger)
    home.fresh()
    from_us = time.time_ns() // 1000 - minutes * _MINUTE_US
    groups = report(home.store(), names, from_us=from_us, by_cost=True)[:limit]
    _show(names, groups, as_json=as_json, as_csv=as_csv)


def _dimensions(by: str) -> list[str]:
    """The dimensions named, each once."""
    return list(dict.fromkeys(name.strip() for name in by.split(",")))


def _show(names: Sequence[str], groups: Sequence[Group], *, as_json: bool, as_csv: bool) -> None:
    records = [group_record(group) for group in groups]
    if as_json:
        print_json(records)
    elif as_csv:
        print_csv([*names, *_FIGURES], records)
    else:
        places = max([_places(group.total) for group in groups], default=0)
        footer = [_cells(names, group, "all", places) for group in totals(groups)]
        rows = [_cells(names, group, None, places) for group in groups]
        print_table([*names, *_FIGURES], rows, right=_NUMBERS, footer=footer)


def _places(total: Decimal | None) -> int:
    """Decimal places that are not zeros at the end."""
    exponent = total.normalize().as_tuple().exponent if total else 0
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _cells(names: Sequence[str], group: Group, title: str | None, places: int) -> list[str]:
    keys: list[Any] = [group.keys.get(name) for name in names] if title is None else [title]
    keys += [""] * (len(names) - len(keys))
    total = "-" if group.total is None else f"{group.total:,.{places}f}"
    figures = [
        f"{group.calls:,}",
        f"{group.priced:,}",
        f"{group.unpriced:,}",
        total,
        group.currency,
    ]
    return [*(_shown(name, key) for name, key in zip(names, keys, strict=True)), *figures]


def _shown(name: str, key: str | None) -> str:
    if key is not None:
        return key
    return "unattributed" if name == "tenant" else "-"
