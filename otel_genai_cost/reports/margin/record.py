"""The report of margin as others script against it: money and shares are decimal strings, what is unknown is null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.actions import share_text
from otel_genai_cost.reports.margin.figures import Figures, percent
from otel_genai_cost.reports.margin.income import Window
from otel_genai_cost.reports.margin.report import MarginReport, MarginRow

__all__ = ["ROW_COLUMNS", "row_record", "summary_record"]

ROW_COLUMNS: Final = (
    *("what", "calls", "unpriced", "currency", "revenue", "revenue_known"),
    *("cost", "own_cost", "spread_cost", "margin", "margin_percent", "trend", "below_target"),
    *("price_at_target", "seat_price", "seat_price_at_target", "unknown_revenue"),
    *("cost_of_unknown", "reason"),
)
"""Those of CSV, behind the name."""

_NOBODYS: Final = ("unattributed", "shared")


def row_record(row: MarginRow, report: MarginReport) -> dict[str, Any]:
    """A row as JSON.

    Args:
        row: which.
        report: of which it is.
    """
    question, figures = report.question, row.figures
    is_nobodys = row.account.what in _NOBODYS
    record: dict[str, Any] = {
        question.by: row.account.name,
        "what": row.account.what,
        "currency": question.currency,
        **_sums(figures),
        "revenue_by": {
            kind: format_money(amount) for kind, amount in sorted(figures.revenue.items())
        },
        "revenue_known": None if figures.covered is None else _share(figures.covered),
        "below_target": None if is_nobodys else figures.is_below(question.target),
        "price_at_target": None if is_nobodys else _money(figures.price_at(question.target)),
        "seat_price": _money(figures.seat_price),
        "seat_price_at_target": _money(figures.seat_price_at(question.target)),
        "previous": None if row.before is None else _sums(row.before),
        "trend": _money(row.trend),
        "reason": _reason(figures, is_nobodys),
    }
    if figures.unconverted:
        record["unconverted"] = _unconverted(figures.unconverted)
    return record


def _sums(figures: Figures) -> dict[str, Any]:
    return {
        "calls": figures.calls,
        "unpriced": figures.unpriced,
        "revenue": _money(figures.known_revenue),
        "cost": format_money(figures.cost),
        "own_cost": format_money(figures.own_cost),
        "spread_cost": format_money(figures.spread),
        "margin": _money(figures.margin),
        "margin_percent": _money(percent(figures.share)),
        "unknown_revenue": figures.unknown,
        "cost_of_unknown": format_money(figures.unknown_cost),
    }


def _reason(figures: Figures, is_nobodys: bool) -> str | None:
    """Why there is no margin."""
    if figures.unconverted:
        return "no_fx_rate"
    return "unknown_revenue" if figures.unknown and not is_nobodys else None


def _unconverted(amounts: Mapping[tuple[str, bool], int]) -> dict[str, dict[str, str]]:
    return {
        side: {
            currency: format_money(amount)
            for (currency, is_of), amount in sorted(amounts.items())
            if is_of == is_revenue
        }
        for side, is_revenue in (("revenue", True), ("cost", False))
    }


def summary_record(report: MarginReport) -> dict[str, Any]:
    """What stands at the end: sums of the rows, and by which rules they are.

    Args:
        report: all of it.
    """
    rows, question = report.rows, report.question
    figures = [row.figures for row in rows]
    count, share = report.top
    spread = report.books.spread
    revenue = _total(one.known_revenue for one in figures if one.known_revenue is not None)
    cost = _total(one.cost for one in figures)
    is_whole = not any(one.unknown or one.unconverted for one in figures)
    return {
        "from": rfc3339(report.window.from_us),
        "to": rfc3339(report.window.to_us),
        "previous_from": _moment(report.before, 0),
        "previous_to": _moment(report.before, 1),
        "currency": question.currency,
        "target": format_money(question.target),
        "accounts": len(_accounts(report)),
        "below_target": sum(
            row.figures.is_below(question.target) is True for row in _accounts(report)
        ),
        "unknown_revenue": sum(row.figures.unknown > 0 for row in _accounts(report)),
        "revenue": format_money(revenue),
        "cost": format_money(cost),
        "margin": format_money(revenue - cost) if is_whole else None,
        "margin_percent": _money(percent(Fraction(revenue - cost, revenue)))
        if is_whole and revenue > 0
        else None,
        **_known(report),
        "spread": question.spread if spread is not None else None,
        "spread_costs": None
        if spread is None
        else {name: format_money(amount) for name, amount in sorted(spread.items())},
        "revenue_by": question.revenue_by,
        "deferred": {cur: format_money(n) for cur, n in sorted(report.books.deferred.items())},
        "top_tenants": count,
        "top_share": None if share is None else _share(share),
    }


def _known(report: MarginReport) -> dict[str, Any]:
    """Of the accounts whose margin is known alone."""
    known = [row.figures for row in _accounts(report) if row.figures.margin is not None]
    revenue, own = (
        _total(one.known_revenue or 0 for one in known),
        _total(one.margin or 0 for one in known),
    )
    share = Fraction(own, revenue) if revenue > 0 else None
    return {
        "known_margin": format_money(own) if known else None,
        "known_margin_percent": _money(percent(share)),
    }


def _accounts(report: MarginReport) -> list[MarginRow]:
    return [row for row in report.rows if row.account.what == report.question.by]


def _moment(window: Window | None, end: int) -> str | None:
    return None if window is None else rfc3339(window[end])


def _total(amounts: Iterable[int]) -> int:
    return sum(amounts)


def _share(share: Fraction) -> str | None:
    return share_text(share.numerator, share.denominator)


def _money(amount: int | None) -> str | None:
    return None if amount is None else format_money(amount)
