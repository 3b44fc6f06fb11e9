"""What `report` and `top` share: the groups that --by names, as a table, JSON or CSV."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.output import Form, cell, note, print_csv, print_json, print_table
from otel_genai_cost.errors import ConfigurationError, LedgerError
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.reports.coverage import partial
from otel_genai_cost.reports.printable import shortened
from otel_genai_cost.reports.registered import REGISTERED
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import (
    DIMENSIONS,
    Group,
    check_dimensions,
    group_record,
    report,
    totals,
)
from otel_genai_cost.vocabulary import SIDES, Side

__all__ = ["ByOption", "SideOption", "dimensions", "show_groups", "side_of"]

_FIGURES: Final = ("calls", "priced", "unpriced", "total", "currency")
_NUMBERS: Final = frozenset(_FIGURES[:4])
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


SideOption = Annotated[
    str,
    typer.Option(
        "--side",
        help="cost: what calls cost us; price: what customers pay, by contract.",
        autocompletion=lambda: list(SIDES),
    ),
]


def side_of(text: str) -> Side:
    """The side that is meant.

    Raises:
        ConfigurationError: if it is none.
    """
    for side in SIDES:
        if side == text:
            return side
    raise ConfigurationError("--side is no side", value=text, remedy="write cost or price")


def dimensions(by: str) -> list[str]:
    """The dimensions named, each once.

    Raises:
        ConfigurationError: for a name that is no dimension.
    """
    names = list(dict.fromkeys(name.strip() for name in by.split(",")))
    check_dimensions(names)
    return names


def show_groups(
    groups: Sequence[Group],
    names: Sequence[str],
    form: Form,
    home: Home,
    selection: Selection,
    limit: int | None = None,
) -> None:
    """Print groups; beside them, on stderr, why there are none, or which calls have no price.

    Args:
        groups: in the order of the answer.
        names: the dimensions they are made by.
        form: how the command answers.
        home: where it looked.
        selection: the calls it was asked for.
        limit: how many to show of each currency; a table's footer has what the others come to, and the sum of all.
    """
    _print(groups, names, form, limit)
    if not groups:
        home.note_why_empty(selection)
        return
    if form == "table" and any(group.unpriced for group in groups):
        note(_without_price(home.store(), selection))
    if form == "table" and (sampled := _sampled(home, selection)):
        note(sampled)
    if set(names) & set(REGISTERED) and (unknown := _not_registered(home.store(), selection)):
        note(unknown)


def _print(groups: Sequence[Group], names: Sequence[str], form: Form, limit: int | None) -> None:
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
    return name_of(key) if name in ("tenant", "booked_tenant") else cell(key)


def _sampled(home: Home, selection: Selection) -> str:
    """Which services are known by a sample of their spans; "" if none is, or only the store can be read."""
    try:
        with closing(home.ledger()) as opened:
            services = [shortened(name or "without a name") for name in partial(opened, selection)]
    except (LedgerError, sqlite3.Error):
        return ""
    if not services:
        return ""
    named = ", ".join(services[:_NAMED_MAX])
    more = f" and {len(services) - _NAMED_MAX:,} more" if len(services) > _NAMED_MAX else ""
    return (
        f"partial coverage of {named}{more}, which send a sample of their spans: calls that were not in it are in no "
        "figure, see `genai-cost coverage`"
    )


def _not_registered(store: Queryable, selection: Selection) -> str:
    """Which ids are in no row of the registry at the time of some of their calls; "" if none is."""
    found = report(store, ["registered", "booked_tenant"], selection)
    ids = list(
        dict.fromkeys(g.keys["booked_tenant"] for g in found if g.keys["registered"] == "no")
    )
    if not ids:
        return ""
    named = ", ".join(shortened(name or "") for name in ids[:_NAMED_MAX])
    more = f" and {len(ids) - _NAMED_MAX:,} more" if len(ids) > _NAMED_MAX else ""
    return f"in no row of the registry at the time of some calls: {named}{more}; see `genai-cost tenants list`"


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
