"""`report --html`: one self-contained page, without scripts and without requests to anybody.

Every row opens down to its receipts. Text that came from outside (tenants, models, features) is escaped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from otel_genai_cost.ledger.booking import Position
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.receipt import BookOf
from otel_genai_cost.reports.tables import Group, last_seq, plain, report, totals
from otel_genai_cost.reports.trend import Bar, plot
from otel_genai_cost.reports.words import ABSENT, REASONS

__all__ = ["page"]

_PAGE: Final = Path(__file__).parent / "page"
_COLOURS: Final = 7
_ROWS_MAX: Final = 50
_RECEIPTS_MAX: Final = 20
_BARS_MAX: Final = 48
_OTHERS: Final = "others"
_NOBODY: Final = "unattributed"
_STRETCHES: Final[Mapping[str, int]] = {
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
}

_Span = tuple[int | None, int | None, int]
"""From, to, and the last entry that counts: a page is made of many queries, and a ledger goes on meanwhile."""

_Receipts = Mapping[tuple[str, str | None], list[tuple[str, Position]]]


def page(
    store: Queryable,
    ledger: Ledger,
    book_of: BookOf,
    from_us: int | None = None,
    to_us: int | None = None,
) -> str:
    """The page of what occurred in [from, to)."""
    span = (from_us, to_us, last_seq(store))
    tenants = report(store, ["tenant"], *span, by_cost=True)
    colours = _colours(tenants)
    receipts = _receipts(ledger, from_us, to_us)
    sums = totals(tenants)
    template = Template((_PAGE / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        style=(_PAGE / "style.css").read_text(encoding="utf-8"),
        headline=_headline(sums),
        span=_span(store, span),
        facts=_facts(sums, tenants, report(store, ["model"], *span)),
        notices=_notices(store, span),
        trend=_trend(store, colours, span),
        tenants=_rows("tenant", tenants, receipts, colours),
        models=_rows("model", report(store, ["model"], *span, by_cost=True), receipts),
        features=_rows("feature", report(store, ["feature"], *span, by_cost=True), receipts),
        footer=_footer(ledger, book_of),
    )


def _colours(tenants: Sequence[Group]) -> dict[str, str]:
    """A colour for each of the costliest tenants, one for all others."""
    named = [_name(group, "tenant") for group in tenants]
    return {name: f"c{min(at, _COLOURS)}" for at, name in enumerate(named)}


def _name(group: Group, dimension: str) -> str:
    value = group.keys[dimension]
    if value is not None:
        return value
    return _NOBODY if dimension == "tenant" else "none"


def _headline(sums: Sequence[Group]) -> str:
    if not sums:
        return "Nothing metered yet"
    return " · ".join(
        f"{'—' if group.total is None else plain(group.total)} <small>{escape(group.currency)}</small>"
        for group in sums
    )


def _span(store: Queryable, span: _Span) -> str:
    found = report(store, ["second"], *span)
    if not found:
        return "no calls"
    first, last = found[0].keys["second"], found[-1].keys["second"]
    return f"calls from {escape(str(first))} to {escape(str(last))}, times in UTC"


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


def _notices(store: Queryable, span: _Span) -> str:
    """What a person should act on: calls without a price, by reason, and without a tenant, by cause."""
    notices: list[str] = []
    for group in report(store, ["reason"], *span):
        reason = group.keys["reason"]
        if reason is not None and group.unpriced:
            notices.append(_notice(group.unpriced, "without a price", reason, REASONS))
    for group in report(store, ["absent"], *span):
        absent = group.keys["absent"]
        if absent not in (None, "system"):
            notices.append(_notice(group.calls, "without a tenant", str(absent), ABSENT))
    return "".join(notices)


def _notice(count: int, what: str, reason: str, words: Mapping[str, str]) -> str:
    calls = "call" if count == 1 else "calls"
    told = re.sub("`(.*?)`", r"<code>\1</code>", escape(words.get(reason, "")))
    return (
        f'<div class="notice"><b>{count:,} {calls} {what}</b>: {escape(reason)}<p>{told}</p></div>'
    )


def _trend(store: Queryable, colours: Mapping[str, str], span: _Span) -> str:
    bars, unit = _stretches(store, colours, span)
    if not bars:
        return '<p class="more">nothing to show</p>'
    shown = {name: css for name, css in colours.items() if css != f"c{_COLOURS}"}
    if len(shown) < len(colours):
        shown[_OTHERS] = f"c{_COLOURS}"
    legend = "".join(f'<li><i class="{css}"></i>{escape(name)}</li>' for name, css in shown.items())
    table = "".join(
        f"<tr><td>{escape(bar.label)}</td><td>{plain(bar.total)}</td></tr>" for bar in bars
    )
    return (
        f'<div class="scroll">{plot(bars, shown, "USD")}</div><ul class="legend">{legend}</ul>'
        f'<details class="aside"><summary>the same as a table, by {unit}</summary>'
        f'<table class="data"><tr><th>{unit}</th><th>USD</th></tr>{table}</table></details>'
    )


def _stretches(store: Queryable, colours: Mapping[str, str], span: _Span) -> tuple[list[Bar], str]:
    """Bars by second, minute, hour or day: the finest of which there are not too many, quiet ones included."""
    found = report(store, ["second"], *span)
    if not found:
        return [], "day"
    first_us, last_us = (microseconds(str(group.keys["second"])) for group in (found[0], found[-1]))
    fitting = (
        unit for unit, us in _STRETCHES.items() if last_us // us - first_us // us < _BARS_MAX
    )
    unit = next(fitting, "day")
    bars: dict[int, dict[str, Decimal]] = {}
    for at in range(first_us // _STRETCHES[unit], last_us // _STRETCHES[unit] + 1):
        bars[at] = {}
    for group in report(store, [unit, "tenant"], *span):
        if group.currency == "USD" and group.total is not None:
            name = _name(group, "tenant")
            series = _OTHERS if colours.get(name) == f"c{_COLOURS}" else name
            amounts = bars[microseconds(str(group.keys[unit])) // _STRETCHES[unit]]
            amounts[series] = amounts.get(series, Decimal(0)) + group.total
    latest = list(bars.items())[-_BARS_MAX:]
    return [Bar(_short(at * _STRETCHES[unit], unit), amounts) for at, amounts in latest], unit


def _short(us: int, unit: str) -> str:
    day, _, clock = rfc3339(us).removesuffix("Z").partition("T")
    if unit == "day":
        return day[5:]
    return clock if unit == "second" else f"{day[5:]} {clock[:5]}"


def _rows(
    dimension: str,
    groups: Sequence[Group],
    receipts: _Receipts,
    colours: Mapping[str, str] | None = None,
) -> str:
    """One row a group, with its share of the whole, opening to its receipts."""
    whole = sum((group.total or Decimal(0) for group in groups), Decimal(0))
    rows = [_row(dimension, group, whole, receipts, colours) for group in groups[:_ROWS_MAX]]
    more = ""
    if len(groups) > _ROWS_MAX:
        more = f'<p class="more">and {len(groups) - _ROWS_MAX:,} more: genai-cost report --by {dimension}</p>'
    return f'<div class="rows">{"".join(rows)}</div>{more}'


def _row(
    dimension: str,
    group: Group,
    whole: Decimal,
    receipts: _Receipts,
    colours: Mapping[str, str] | None,
) -> str:
    name = _name(group, dimension)
    share = (group.total or Decimal(0)) / whole * 100 if whole else Decimal(0)
    css = (colours or {}).get(name, "c0")
    total = "no price" if group.total is None else f"{plain(group.total)} {escape(group.currency)}"
    calls = "call" if group.calls == 1 else "calls"
    without = f", {group.unpriced:,} without a price" if group.unpriced else ""
    told = receipts.get((dimension, group.keys[dimension]), [])
    return (
        f'<details><summary><span class="name">{escape(name)}</span><span class="sum">{total}</span>'
        f'<span class="note">{group.calls:,} {calls}{without}</span><span class="note part">{share:.1f} %</span>'
        f'<span class="share"><i class="{css}" style="width:{share:.2f}%"></i></span></summary>'
        f'<div class="receipts">{_receipt_list(told, group.calls)}</div></details>'
    )


def _receipts(ledger: Ledger, from_us: int | None, to_us: int | None) -> _Receipts:
    """The latest charges of each tenant, model and feature, at most twenty each."""
    found: dict[tuple[str, str | None], list[tuple[str, Position]]] = {}
    for charge in charges(ledger):
        for position in charge.positions:
            if from_us is not None and position.occurred_us < from_us:
                continue
            if to_us is not None and position.occurred_us >= to_us:
                continue
            for key in (
                ("tenant", position.attribution.tenant),
                ("model", position.model),
                ("feature", position.attribution.labels.get("feature")),
            ):
                kept = found.setdefault(key, [])
                kept.append((charge.charge_id, position))
                del kept[:-_RECEIPTS_MAX]
    return found


def _receipt_list(told: Sequence[tuple[str, Position]], calls: int) -> str:
    receipts = "".join(_receipt(charge_id, position) for charge_id, position in reversed(told))
    if calls > len(told):
        left = f"the latest {len(told)} of {calls:,} calls; the others: genai-cost charges"
        receipts += f'<p class="more">{left}</p>'
    return receipts


def _receipt(charge_id: str, position: Position) -> str:
    lines = "".join(
        f"<tr><td>{escape(line.leaf)}</td><td>{line.quantity:,}</td>"
        f"<td>{escape(line.rate.unit_price)} per {line.rate.per:,}</td><td>{format_money(line.amount)}</td></tr>"
        for line in position.lines
    )
    amount = (
        format_money(position.amount) if position.lines or not position.unpriced else "no price"
    )
    why = ""
    if position.reason:
        told = escape(REASONS.get(position.reason, ""))
        why = f'<div class="why">{escape(position.reason)}: {told}</div>'
    who = escape(position.attribution.tenant or f"no tenant ({position.attribution.absent})")
    return (
        f'<div class="receipt"><header><span>{rfc3339(position.occurred_us)} · {who} · '
        f"{escape(position.model or 'no model')}</span><b>{amount}</b></header>"
        f"<code>genai-cost explain {charge_id[:16]}</code>{why}<table>{lines}</table></div>"
    )


def _footer(ledger: Ledger, book_of: BookOf) -> str:
    books = sorted({entry.book for entry in ledger.entries() if entry.book})
    known = [f"{digest[:16]}{'' if book_of(digest) else ' (not kept)'}" for digest in books]
    made = rfc3339(time.time_ns() // 1_000_000_000 * 1_000_000)
    return (
        f"Made {made} from ledger {ledger.id}, up to entry {ledger.last_seq():,}. "
        f"Price book {', '.join(known) or 'none'}. Every total is a sum over entries; "
        "<code>genai-cost explain ID</code> shows any call's arithmetic and the source of its price."
    )
