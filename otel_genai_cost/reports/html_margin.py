"""What the page says of margin and of actions: a plot, and a row for each that opens to its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Final

from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.actions import ActionGroup, share_text
from otel_genai_cost.reports.margin.figures import Figures, percent
from otel_genai_cost.reports.margin.record import summary_record
from otel_genai_cost.reports.margin.report import MarginReport, MarginRow
from otel_genai_cost.reports.printable import printable
from otel_genai_cost.reports.ranges import (
    DESK_PX,
    PHONE_PX,
    Range,
    Signed,
    plot_ranges,
    plot_signed,
)
from otel_genai_cost.reports.selection import NOBODY
from otel_genai_cost.reports.tables import rounded

__all__ = ["actions_section", "margin_section"]

_PLOTTED_MAX: Final = 15
_PHONE_PLOTTED_MAX: Final = 8
_ROWS_MAX: Final = 50
_BELOW, _ENOUGH = "c4", "c2"

_Facts = Sequence[tuple[str, str | None]]


def _both(draw: Callable[[int, int, str], str]) -> str:
    """A plot for a desk, and a narrower one of fewer rows for a phone."""
    return draw(_PLOTTED_MAX, DESK_PX, "desk") + draw(_PHONE_PLOTTED_MAX, PHONE_PX, "phone")


def _rows(rows: Iterable[str], count: int, more: str) -> str:
    left = (
        f'<p class="more">and {count - _ROWS_MAX:,} more: {more}</p>' if count > _ROWS_MAX else ""
    )
    return f'<div class="rows">{"".join(rows)}</div>{left}'


def _row(name: str, figure: str, note: str, part: str, facts: _Facts) -> str:
    lines = "".join(
        f"<tr><td>{escape(label)}</td><td>{escape(value)}</td></tr>"
        for label, value in facts
        if value is not None
    )
    return (
        f'<details><summary><span class="name">{escape(printable(name))}</span>'
        f'<span class="sum">{escape(figure)}</span><span class="note">{escape(note)}</span>'
        f'<span class="note part">{escape(part)}</span></summary>'
        f'<div class="receipts"><div class="receipt"><table>{lines}</table></div></div></details>'
    )


def _money(amount: int | None, currency: str = "") -> str:
    """For reading; the exact figure stands below."""
    if amount is None:
        return "unknown"
    return f"{rounded(Decimal(format_money(amount)))} {currency}".rstrip()


def _exact(amount: int | None) -> str | None:
    return None if amount is None else format_money(amount)


# --- margin ---


def margin_section(report: MarginReport, names: Mapping[str | None, str]) -> str:
    """Accounts below the target first.

    Args:
        report: of margin.
        names: how tenants are shown.
    """
    summary, currency = summary_record(report), report.question.currency
    target = Decimal(format_money(report.question.target)) * 100
    shown = [row for row in report.rows if row.figures.share is not None]
    facts = (
        (f"{summary['below_target']} of {summary['accounts']}", f"below {target.normalize():f} %"),
        (str(summary["unknown_revenue"]), "of unknown revenue"),
        (_percent_text(summary["known_margin_percent"]), "margin where revenue is known"),
        (_share_text(summary["top_share"]), f"of cost: the dearest {summary['top_tenants']}"),
    )
    cards = "".join(
        f'<div class="fact"><b>{escape(n)}</b><span>{escape(label)}</span></div>'
        for n, label in facts
    )
    plots = ""
    if shown:
        title = f"Margin in per cent of revenue, the {min(len(shown), _PLOTTED_MAX)} lowest"
        plots = _both(
            lambda most, width, css: plot_signed(
                [_bar(row, report, names) for row in shown[:most]],
                target,
                title,
                width=width,
                css=css,
            )
        )
    rows = (_margin_row(row, report, names) for row in report.rows[:_ROWS_MAX])
    return (
        f'<section><h2>Margin</h2><p class="unit">revenue less cost in {escape(currency)}, '
        f"lowest first; the dashed line is the target</p>"
        f'<div class="facts tight">{cards}</div>{plots}'
        f"{_rows(rows, len(report.rows), 'genai-cost margin')}{_rule(report)}</section>"
    )


def _rule(report: MarginReport) -> str:
    spread = report.books.spread
    if spread is None or report.question.spread is None:
        return ""
    parts = ", ".join(f"{name} {format_money(amount)}" for name, amount in sorted(spread.items()))
    return f'<p class="more">spread by {report.question.spread}: {escape(parts)}</p>'


def _percent_text(text: str | None) -> str:
    return "unknown" if text is None else f"{text} %"


def _share_text(text: str | None) -> str:
    return "-" if text is None else f"{Decimal(text) * 100:.1f} %"


def _name(row: MarginRow, report: MarginReport, names: Mapping[str | None, str]) -> str:
    account = row.account
    if account.what != report.question.by:
        return account.what.replace("_", " ")
    return names.get(account.name, account.name or "none")


def _bar(row: MarginRow, report: MarginReport, names: Mapping[str | None, str]) -> Signed:
    atto = percent(row.figures.share) or 0
    shown = Decimal(format_money(atto))
    css = _BELOW if row.figures.is_below(report.question.target) else _ENOUGH
    return Signed(printable(_name(row, report, names)), shown, f"{shown:.1f} %", css)


def _margin_row(row: MarginRow, report: MarginReport, names: Mapping[str | None, str]) -> str:
    figures, question, currency = row.figures, report.question, report.question.currency
    shown = percent(figures.share)
    figure = "no margin" if shown is None else f"{Decimal(format_money(shown)):.1f} %"
    note = (
        f"revenue {_money(figures.known_revenue, currency)}, cost {_money(figures.cost, currency)}"
    )
    is_nobodys = row.account.what != question.by
    if is_nobodys:
        note = f"cost {_money(figures.cost, currency)}"
    return _row(
        _name(row, report, names),
        figure if not is_nobodys else _money(figures.cost, currency),
        note,
        _trend(row),
        () if is_nobodys else _margin_facts(figures, question.target),
    )


def _trend(row: MarginRow) -> str:
    if row.trend is None:
        return ""
    return f"{Decimal(format_money(row.trend)):+.1f} points"


def _margin_facts(figures: Figures, target: int) -> _Facts:
    return (
        ("revenue", _exact(figures.known_revenue)),
        *((f"of it {kind}", format_money(n)) for kind, n in sorted(figures.revenue.items())),
        ("cost of its calls", format_money(figures.own_cost)),
        ("its part of what is spread", format_money(figures.spread) if figures.spread else None),
        ("margin", _exact(figures.margin)),
        ("price at the target", _exact(figures.price_at(target))),
        ("a seat brings", _exact(figures.seat_price)),
        ("a seat would have to bring", _exact(figures.seat_price_at(target))),
        ("calls", f"{figures.calls:,}"),
        ("calls without a price", f"{figures.unpriced:,}" if figures.unpriced else None),
        *(
            (f"{'revenue' if is_revenue else 'cost'} without a rate", f"{format_money(n)} {code}")
            for (code, is_revenue), n in sorted(figures.unconverted.items())
        ),
    )


# --- actions ---


def actions_section(groups: Sequence[ActionGroup], names: Mapping[str | None, str]) -> str:
    """What an action of each tenant costs: from the median to the 95th percentile, and the mean.

    Args:
        groups: by tenant.
        names: how tenants are shown.
    """
    parts: list[str] = []
    for currency in dict.fromkeys(group.currency for group in groups):
        own = [group for group in groups if group.currency == currency]
        parts.append(_actions(own, currency, names))
    return f"<section><h2>Actions</h2>{''.join(parts)}</section>" if parts else ""


def _actions(groups: Sequence[ActionGroup], currency: str, names: Mapping[str | None, str]) -> str:
    priced = [group for group in groups if group.mean is not None]
    plots = ""
    if priced:
        title = f"Cost of an action in {currency}: median to 95th percentile, and the mean"
        plots = _both(
            lambda most, width, css: plot_ranges(
                [_range(group, names) for group in priced[:most]],
                currency,
                title,
                width=width,
                css=css,
            )
        )
    rows = (_action_row(group, names) for group in groups[:_ROWS_MAX])
    unit = "an action, from the median to the 95th percentile; the dot is the mean"
    return (
        f'<p class="unit">{escape(currency)} for {unit}</p>{plots}'
        f"{_rows(rows, len(groups), 'genai-cost actions')}"
    )


def _action_name(group: ActionGroup, names: Mapping[str | None, str]) -> str:
    tenant = group.keys["tenant"]
    return printable(names.get(tenant, tenant or NOBODY))


def _range(group: ActionGroup, names: Mapping[str | None, str]) -> Range:
    low, mark, high = (
        Decimal(format_money(amount or 0)) for amount in (group.p50, group.mean, group.p95)
    )
    return Range(_action_name(group, names), low, mark, high, rounded(mark))


def _action_row(group: ActionGroup, names: Mapping[str | None, str]) -> str:
    wasted = share_text(group.wasted.cost, group.cost)
    calls = "call" if group.calls == 1 else "calls"
    what = "action" if group.actions == 1 else "actions"
    facts = (
        ("mean", _exact(group.mean)),
        ("median", _exact(group.p50)),
        ("95th percentile", _exact(group.p95)),
        ("calls of an action, median", f"{group.calls_p50:,}"),
        ("calls of an action, 95th percentile", f"{group.calls_p95:,}"),
        *(
            (
                f"calls that were {trouble}" if trouble != "fallback" else "calls that fell back",
                f"{one.calls:,}, {format_money(one.cost)}",
            )
            for trouble, one in group.troubles.items()
            if one.calls
        ),
        (
            "actions with calls without a price",
            f"{group.actions - group.priced:,}" if group.priced < group.actions else None,
        ),
    )
    return _row(
        _action_name(group, names),
        _money(group.mean, group.currency) if group.mean is not None else "no price",
        f"{group.actions:,} {what}, {group.calls:,} {calls}",
        f"{Decimal(wasted) * 100:.1f} % wasted" if wasted is not None else "",
        facts,
    )
