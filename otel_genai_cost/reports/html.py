"""`report --html`: one self-contained page, without scripts and without requests to anybody.

Every row opens down to its receipts. Text that came from outside (tenants, models, features) is escaped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Line
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.actions import actions
from otel_genai_cost.reports.html_margin import actions_section, margin_section
from otel_genai_cost.reports.latest import Latest, books_of, latest_charges
from otel_genai_cost.reports.margin.report import MarginReport
from otel_genai_cost.reports.printable import printable, shortened
from otel_genai_cost.reports.receipt import lacking
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import EVERYTHING, Selection, local_time
from otel_genai_cost.reports.tables import (
    Extent,
    Group,
    decimal_text,
    extent,
    last_seq,
    report,
    rounded,
    totals,
)
from otel_genai_cost.reports.timeline import Timeline, timelines
from otel_genai_cost.reports.trend import pictures
from otel_genai_cost.reports.words import ABSENT, REASONS
from otel_genai_cost.vocabulary import Side

__all__ = ["page"]

_PAGE: Final = Path(__file__).parent / "page"
_COLOURS: Final = 7
_ROWS_MAX: Final = 50
_RECEIPTS_MAX: Final = 20
_MODELS_NAMED: Final = 5
_OTHERS: Final = "others"


class _Scope(NamedTuple):
    """What is selected, and the last entry that counts: a page takes many queries, and a ledger goes on meanwhile."""

    selection: Selection
    until_seq: int


_WHOSE: Final[Mapping[Side, str]] = {"cost": "", "price": "what customers pay; "}
_AS_THEY_ARE: Final[Mapping[str | None, str]] = {}
_ONE_COLOUR: Final[Mapping[str, str]] = {}


def page(
    store: Queryable,
    ledger: Ledger,
    has_book: Callable[[str], bool],
    selection: Selection = EVERYTHING,
    margin_of: Callable[[int], MarginReport | None] | None = None,
) -> str:
    """One self-contained HTML page.

    Args:
        store: where sums are read.
        ledger: where receipts are read.
        has_book: whether the price book of a digest is still kept.
        selection: which calls.
        margin_of: of the same calls, of entries up to a seq; nothing where no revenue is known.
    """
    scope = _Scope(selection, last_seq(store))
    tenants = report(store, ["tenant"], *scope, by_cost=True)
    models = report(store, ["model"], *scope, by_cost=True)
    taken_up = extent(store, *scope)
    features = report(store, ["feature"], *scope, by_cost=True)
    names = _names(tenants, selection, taken_up)
    shown = {"tenant": tenants, "model": models, "feature": features}
    values = {name: _shown(name, groups) for name, groups in shown.items()}
    receipts = latest_charges(store, ledger, values, *scope, most=_RECEIPTS_MAX)
    margin = None if margin_of is None else margin_of(scope.until_seq)
    colours = _colours(names)
    sums = totals(tenants)
    template = Template((_PAGE / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        style=(_PAGE / "style.css").read_text(encoding="utf-8"),
        headline=_headline(sums),
        span=_WHOSE[selection.side] + _span(taken_up, selection),
        facts=_facts(sums, tenants, models),
        notices=_notices(store, scope),
        trend=_trends(timelines(store, _series(names, colours), taken_up, *scope), colours),
        tenants=_rows("tenant", tenants, receipts, selection, names, colours),
        models=_rows("model", models, receipts, selection),
        features=_rows("feature", features, receipts, selection),
        margin="" if margin is None else margin_section(margin, names),
        actions=actions_section(actions(store, ledger, ["tenant"], *scope), names),
        footer=_footer(ledger, books_of(store, scope.until_seq), has_book),
    )


def _shown(dimension: str, groups: Sequence[Group]) -> list[str | None]:
    """The values of the rows that are shown; one may have a row in each of several currencies."""
    return [*dict.fromkeys(group.keys[dimension] for group in groups[:_ROWS_MAX])]


def _names(
    tenants: Sequence[Group], selection: Selection, taken_up: Extent
) -> dict[str | None, str]:
    """How each tenant is shown, the costliest first: its id, and what it was called at the last of the calls."""
    last_us = taken_up.last_us or 0
    return {
        tenant: shown_tenant(selection.directory, tenant, last_us)
        for tenant in dict.fromkeys(group.keys["tenant"] for group in tenants)
    }


def _colours(names: Mapping[str | None, str]) -> dict[str, str]:
    """A colour for each of the costliest tenants, one for all others."""
    return {name: f"c{min(at, _COLOURS)}" for at, name in enumerate(names.values())}


def _series(names: Mapping[str | None, str], colours: Mapping[str, str]) -> dict[str | None, str]:
    """The series of each tenant: its name, or `others`."""
    return {
        tenant: _OTHERS if colours[name] == f"c{_COLOURS}" else name
        for tenant, name in names.items()
    }


def _headline(sums: Sequence[Group]) -> str:
    """Each currency's total, rounded, with the exact figure beside it."""
    if not sums:
        return "Nothing metered yet"
    return " · ".join(_sum(group) for group in sums)


def _sum(group: Group) -> str:
    currency = f"<small>{escape(group.currency)}</small>"
    if group.at_least is None:
        return f"— {currency}"
    shown, beside = rounded(group.at_least), ""
    if Decimal(shown.replace(",", "")) != group.at_least:
        beside = f'<small class="exact">exactly {decimal_text(group.at_least)}</small>'
    return f"{shown} {currency}{beside}"


def _span(taken_up: Extent, selection: Selection) -> str:
    asked = "" if selection == EVERYTHING else f" {escape(str(selection))}"
    if taken_up.first_us is None or taken_up.last_us is None:
        return f"no calls{asked}"
    first, last = (local_time(selection.zone, us) for us in (taken_up.first_us, taken_up.last_us))
    return f"calls from {first} to {last}, times in {escape(str(selection.zone))}{_only(selection)}"


def _only(selection: Selection) -> str:
    """The tenants, models and features that a page is limited to."""
    named = EVERYTHING._replace(
        tenants=selection.tenants, models=selection.models, features=selection.features
    )
    return "" if named == EVERYTHING else f"; only {escape(printable(str(named)))}"


def _facts(sums: Sequence[Group], tenants: Sequence[Group], models: Sequence[Group]) -> str:
    calls, unpriced = sum(g.calls for g in sums), sum(g.unpriced for g in sums)
    nobody = sum(g.calls for g in tenants if g.keys["tenant"] is None)
    facts = (
        (f"{calls:,}", "calls"),
        (f"{len({g.keys['tenant'] for g in tenants} - {None}):,}", "tenants"),
        (f"{len({g.keys['model'] for g in models}):,}", "models"),
        (f"{unpriced:,}", "without a price"),
        (f"{nobody:,}", "without a tenant"),
    )
    return "".join(f'<div class="fact"><b>{n}</b><span>{label}</span></div>' for n, label in facts)


def _notices(store: Queryable, scope: _Scope) -> str:
    """What a person should act on: calls without a price, by reason, and without a tenant, by cause."""
    notices: list[str] = []
    models: dict[str, list[Group]] = {}
    for group in report(store, ["reason", "provider", "model"], *scope):
        reason = group.keys["reason"]
        if reason is not None and group.unpriced:
            models.setdefault(reason, []).append(group)
    for reason, groups in models.items():
        count = sum(group.unpriced for group in groups)
        notices.append(_notice(count, "without a price", reason, REASONS, _models(groups)))
    for group in report(store, ["absent"], *scope):
        absent = group.keys["absent"]
        if absent not in (None, "system"):
            notices.append(_notice(group.calls, "without a tenant", str(absent), ABSENT))
    return "".join(notices)


def _models(groups: Sequence[Group]) -> str:
    """The models that most of the calls are of."""
    most = sorted(groups, key=lambda group: -group.unpriced)
    names = [
        f"<code>{escape(shortened(group.keys['model'] or 'no model'))}</code>"
        for group in most[:_MODELS_NAMED]
    ]
    more = len(groups) - _MODELS_NAMED
    return ", ".join([*names, f"{more:,} more"] if more > 0 else names)


def _notice(count: int, what: str, reason: str, words: Mapping[str, str], models: str = "") -> str:
    calls = "call" if count == 1 else "calls"
    meaning = re.sub("`(.*?)`", r"<code>\1</code>", escape(words.get(reason, "")))
    of = f" of {models}" if models else ""
    return (
        f'<div class="notice"><b>{count:,} {calls} {what}</b>{of}: {escape(reason)}'
        f"<p>{meaning}</p></div>"
    )


def _trends(found: Sequence[Timeline], colours: Mapping[str, str]) -> str:
    shown = {name: css for name, css in colours.items() if css != f"c{_COLOURS}"}
    if len(shown) < len(colours):
        shown[_OTHERS] = f"c{_COLOURS}"
    if not found:
        return '<p class="more">nothing to show</p>'
    return "".join(_trend(one, shown) for one in found)


def _trend(one: Timeline, colours: Mapping[str, str]) -> str:
    """All bars where there is room, the latest of them on a phone, and the same as a table."""
    currency = escape(one.currency)
    drawn = pictures(one.bars, colours, one.currency)
    legend = "".join(
        f'<li><i class="{css}"></i>{escape(name)}</li>' for name, css in colours.items()
    )
    table = "".join(
        f"<tr><td>{escape(bar.label)}</td><td>{decimal_text(bar.total)}</td></tr>"
        for bar in one.bars
    )
    part = ""
    if drawn.phone_bars < len(one.bars):
        part = f'<p class="more phone">the latest {drawn.phone_bars} of {len(one.bars)}, by {one.unit}</p>'
    return (
        f'<p class="unit">{currency} by {one.unit}</p>{drawn.svg}{part}'
        f'<ul class="legend">{legend}</ul>'
        f'<details class="aside"><summary>the same as a table</summary>'
        f'<table class="data"><tr><th>{one.unit}</th><th>{currency}</th></tr>{table}</table></details>'
    )


def _rows(
    dimension: str,
    groups: Sequence[Group],
    receipts: Latest,
    selection: Selection,
    names: Mapping[str | None, str] = _AS_THEY_ARE,
    colours: Mapping[str, str] = _ONE_COLOUR,
) -> str:
    """One row a group, with its share of all in its currency, opening to its receipts."""
    whole = {one.currency: one.at_least or Decimal(0) for one in totals(groups)}
    rows = [
        _row(dimension, group, whole[group.currency], receipts, selection, names, colours)
        for group in groups[:_ROWS_MAX]
    ]
    more = ""
    if len(groups) > _ROWS_MAX:
        more = f'<p class="more">and {len(groups) - _ROWS_MAX:,} more: genai-cost report --by {dimension}</p>'
    return f'<div class="rows">{"".join(rows)}</div>{more}'


def _row(
    dimension: str,
    group: Group,
    whole: Decimal,
    receipts: Latest,
    selection: Selection,
    names: Mapping[str | None, str],
    colours: Mapping[str, str],
) -> str:
    value = group.keys[dimension]
    name = names.get(value) or ("none" if value is None else printable(value))
    share = (group.at_least or Decimal(0)) / whole * 100 if whole else Decimal(0)
    css = colours.get(name, "c0")
    total = _row_total(group)
    calls = "call" if group.calls == 1 else "calls"
    without = f", {group.unpriced:,} without a price" if group.unpriced else ""
    latest = receipts.get((dimension, group.keys[dimension]), [])
    return (
        f'<details><summary><span class="name">{escape(name)}</span><span class="sum">{total}</span>'
        f'<span class="note">{group.calls:,} {calls}{without}</span><span class="note part">{share:.1f} %</span>'
        f'<span class="share"><i class="{css}" style="width:{share:.2f}%"></i></span></summary>'
        f'<div class="receipts">{_receipt_list(latest, group.calls, selection)}</div></details>'
    )


def _row_total(group: Group) -> str:
    """What is priced; where nothing is, what the cost is known to be at least."""
    if group.at_least is None:
        return "no price"
    least = "at least " if group.total is None else ""
    return f"{least}{decimal_text(group.at_least)} {escape(group.currency)}"


def _receipt_list(latest: Sequence[tuple[str, Position]], calls: int, selection: Selection) -> str:
    receipts = "".join(
        _receipt(charge_id, position, selection) for charge_id, position in reversed(latest)
    )
    if calls > len(latest):
        left = f"the latest {len(latest)} of {calls:,} calls; the others: genai-cost charges"
        receipts += f'<p class="more">{left}</p>'
    return receipts


def _receipt(charge_id: str, position: Position, selection: Selection) -> str:
    lines = "".join(
        f"<tr><td>{escape(_line_name(line))}</td><td>{line.quantity:,}</td>"
        f"<td>{escape(line.rate.unit_price)} per {line.rate.per:,}</td><td>{format_money(line.amount)}</td></tr>"
        for line in position.lines
        if selection.side == "price" or line.side == "cost"
    )
    sides = {"cost": position.amount, "price": position.price}
    amount = (
        format_money(sides[selection.side])
        if position.lines or not position.unpriced
        else "no price"
    )
    why = ""
    if position.reason:
        meaning = escape(REASONS.get(position.reason, ""))
        lacks = (
            f" (no rate for {escape(', '.join(lacking(position)))})" if lacking(position) else ""
        )
        why = f'<div class="why">{escape(position.reason)}{lacks}: {meaning}</div>'
    tenant, when_us = position.attribution.tenant, position.occurred_us
    who = f"no tenant ({position.attribution.absent})"
    if tenant is not None:
        who = shown_tenant(selection.directory, tenant, when_us)
    return (
        f'<div class="receipt"><header><span>{local_time(selection.zone, when_us)} · {escape(who)} · '
        f"{escape(printable(position.model or 'no model'))}</span><b>{amount}</b></header>"
        f"<code>genai-cost explain {charge_id[:16]}</code>{why}<table>{lines}</table></div>"
    )


def _line_name(line: Line) -> str:
    return line.leaf if line.side == "cost" else f"{line.leaf}, price"


def _footer(ledger: Ledger, books: Iterable[str], has_book: Callable[[str], bool]) -> str:
    known = [f"{one[:16]}{'' if has_book(one) else ' (not kept)'}" for one in books]
    made = rfc3339(time.time_ns() // 1_000_000_000 * 1_000_000)
    return (
        f"Made {made} from ledger {ledger.id}, up to entry {ledger.entries.last_seq():,}. "
        f"Price book {', '.join(known) or 'none'}. Every total is a sum over entries; "
        "<code>genai-cost explain ID</code> shows any call's arithmetic and the source of its price."
    )
