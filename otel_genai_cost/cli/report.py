"""`report` and `top`: cost by tenant, model, feature, hour."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import (
    CsvOption,
    Form,
    JsonOption,
    form_of,
    print_csv,
    print_json,
    print_table,
    tell,
)
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.reports.printable import shortened
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import (
    DIMENSIONS,
    TIMES,
    Group,
    check_dimensions,
    group_record,
    report,
    totals,
)

__all__ = ["register"]

_FIGURES: Final = ("calls", "priced", "unpriced", "total", "currency")
_NUMBERS: Final = frozenset(_FIGURES[:4])
_MINUTE_US: Final = 60_000_000
_MINUTES_MAX: Final = 100_000_000
_NAMED_MAX: Final = 5


def _completed(typed: str) -> list[str]:
    """What a shell offers for `--by`: names that go on from the last comma, but for those there already."""
    before, comma, begun = typed.rpartition(",")
    taken = before.split(",")
    return [
        f"{before}{comma}{name}"
        for name in DIMENSIONS
        if name.startswith(begun) and name not in taken
    ]


ByOption = Annotated[
    str,
    typer.Option(
        "--by",
        help=f"Comma-separated: {', '.join(DIMENSIONS)}.",
        autocompletion=_completed,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="report")(selecting(_report))
    app.command(name="top")(selecting(_top))


def _report(
    by: ByOption = "tenant",
    *,
    selection: Selection,
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
    form, names = form_of(as_json=as_json, as_csv=as_csv), _dimensions(by)
    by_cost = _is_by_cost(sort, names)
    if html is not None and form != "table":
        raise ConfigurationError(
            f"--html and --{form} exclude each other", remedy="pass one of them"
        )
    home = Home.to_read(ledger)
    has_ledger = home.fresh()
    if html is not None:
        _write_page(home, html, selection, has_ledger)
        return
    groups = report(home.store(), names, selection, by_cost=by_cost) if has_ledger else []
    _show(names, groups, form)
    _explain(home, selection, groups, form)


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

    text = page(home.store(), home.ledger(), home.book_of(), selection)
    path.write_text(text, encoding="utf-8")
    tell(f"wrote {path}")


def _top(
    by: ByOption = "tenant",
    *,
    selection: Selection,
    minutes: Annotated[
        int,
        typer.Option(min=1, max=_MINUTES_MAX, help="How far back to look, if nothing else says."),
    ] = 15,
    limit: Annotated[int, typer.Option(min=1, help="How many to show of each currency.")] = 10,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Who costs most right now."""
    form, names = form_of(as_json=as_json, as_csv=as_csv), _dimensions(by)
    if selection.from_us is None and selection.to_us is None:
        now_us = time.time_ns() // 1000
        selection = selection._replace(from_us=now_us - minutes * _MINUTE_US)
    home = Home.to_read(ledger)
    groups = report(home.store(), names, selection, by_cost=True) if home.fresh() else []
    _show(names, groups, form, limit)
    _explain(home, selection, groups, form)


def _dimensions(by: str) -> list[str]:
    """The dimensions named, each once. Raises ConfigurationError."""
    names = list(dict.fromkeys(name.strip() for name in by.split(",")))
    check_dimensions(names)
    return names


def _show(
    names: Sequence[str], groups: Sequence[Group], form: Form, limit: int | None = None
) -> None:
    """The groups, or the first of each currency and what the others come to; sums are those of all."""
    shown, others = _cut(groups, limit)
    records = [group_record(group) for group in shown]
    if form == "json":
        print_json(records)
    elif form == "csv":
        print_csv([*names, *_FIGURES, "at_least"], records)
    elif groups:
        sums = totals(groups)
        places = max([_places(one.at_least) for one in (*groups, *sums)], default=0)
        footer = [
            _cells(names, group, title, places)
            for title, rows in (("others", totals(others)), ("all", sums))
            for group in rows
        ]
        rows = [_cells(names, group, None, places) for group in shown]
        print_table([*names, *_FIGURES], rows, right=_NUMBERS, footer=footer)


def _cut(groups: Sequence[Group], limit: int | None) -> tuple[list[Group], list[Group]]:
    """The first groups of each currency, and the others."""
    shown, others = list[Group](), list[Group]()
    count: dict[str, int] = {}
    for group in groups:
        count[group.currency] = count.get(group.currency, 0) + 1
        (shown if limit is None or count[group.currency] <= limit else others).append(group)
    return shown, others


def _places(total: Decimal | None) -> int:
    """Decimal places that are not zeros at the end."""
    exponent = total.normalize().as_tuple().exponent if total else 0
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _cells(names: Sequence[str], group: Group, title: str | None, places: int) -> list[str]:
    keys: list[Any] = [group.keys.get(name) for name in names] if title is None else [title]
    keys += [""] * (len(names) - len(keys))
    figures = [
        f"{group.calls:,}",
        f"{group.priced:,}",
        f"{group.unpriced:,}",
        _total(group, places),
        group.currency,
    ]
    return [*(_shown(name, key) for name, key in zip(names, keys, strict=True)), *figures]


def _total(group: Group, places: int) -> str:
    """What is priced; where nothing is, what the cost is known to be at least."""
    if group.total is not None:
        return f"{group.total:,.{places}f}"
    return "-" if group.at_least is None else f">= {group.at_least:,.{places}f}"


def _shown(name: str, key: str | None) -> str:
    if key is not None:
        return key
    return "unattributed" if name == "tenant" else "-"


def _explain(home: Home, selection: Selection, groups: Sequence[Group], form: Form) -> None:
    """Beside an answer: why it is empty, or which calls have no price."""
    if not groups:
        home.tell_why_nothing(selection)
    elif form == "table" and any(group.unpriced for group in groups):
        tell(_without_price(home.store(), selection))


def _without_price(store: Queryable, selection: Selection) -> str:
    """How many calls have no price, and which models those are of."""
    found = [
        group
        for group in report(store, ["provider", "model", "reason"], selection)
        if group.unpriced > 0
    ]
    found.sort(key=lambda group: -group.unpriced)
    named = [
        f"{shortened(group.keys['provider'] or 'no provider')}/"
        f"{shortened(group.keys['model'] or 'no model')} ({group.keys['reason']}, {group.unpriced:,})"
        for group in found[:_NAMED_MAX]
    ]
    more = [f"{len(found) - _NAMED_MAX:,} more"] if len(found) > _NAMED_MAX else []
    count = sum(group.unpriced for group in found)
    calls = "1 call has" if count == 1 else f"{count:,} calls have"
    names = ", ".join([*named, *more])
    return f"{calls} no price: {names}; totals leave out what is unknown, see `genai-cost unpriced`"
