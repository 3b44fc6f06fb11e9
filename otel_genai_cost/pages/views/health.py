"""Health: how much of what happened is known, how far the books and their copies are, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Final

from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.conditions import Behind, Finding
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import MissingPageError, Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.selection import local_time

__all__ = ["view"]

_DAY_US: Final = 86_400_000_000
_ORDER: Final = ("failure", "warning", "ok")
_COLUMNS: Final = ("section", "what", "figure", "meaning")


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: for which time; of nothing else it is selected by.
        viewer: who asks.

    Raises:
        MissingPageError: for whoever may not see all tenants: what is missing is nobody's.
    """
    if not viewer.sees_all:
        raise MissingPageError("this page is for those who may see all tenants")
    selection = asked.selection
    with closing(data.ledger()) as ledger:
        behind = data.conditions.behind(ledger)
        coverage = data.conditions.coverage(ledger, data.figures, selection)
    copies = data.conditions.copies()
    looked = data.conditions.findings()
    findings = sorted(looked[0], key=lambda one: _ORDER.index(one.state)) if looked else []
    book = data.book()
    age_days = (asked.now_us - book.newest_recorded_at_us) // _DAY_US if book.rows else None
    values = {
        "behind": behind,
        "lag_s": Decimal(behind.lag_us) / 1_000_000,
        "oldest": _at(asked, behind.oldest_us),
        "coverage": coverage,
        "copies": copies,
        "findings": findings,
        "looked": None if looked is None else local_time(selection.zone, looked[1]),
        "wrong": sum(one.state == "failure" for one in findings),
        "warned": sum(one.state == "warning" for one in findings),
        "book_days": age_days,
        "counts": {what: figure for what, figure, _ in coverage},
    }
    rows = [
        *_behind_rows(behind, asked),
        *(("coverage", *row) for row in coverage),
        *(
            (
                "sink",
                one["sink"],
                one["seq"],
                one.get("error")
                or f"of {one['last_seq']} entries, {len(one['rejected'])} rejected",
            )
            for one in copies
        ),
        *(("doctor", one.name, one.state, _said(one)) for one in findings),
    ]
    return View("health.html", values, Table("health", _COLUMNS, rows))


def _at(asked: Asked, us: int | None) -> str | None:
    return None if us is None else local_time(asked.selection.zone, us)


def _said(one: Finding) -> str:
    return f"{one.seen}: {one.remedy}" if one.remedy else one.seen


def _behind_rows(behind: Behind, asked: Asked) -> Iterable[Sequence[object]]:
    waiting = behind.waiting
    lag = format_money(behind.lag_us * 10**12)
    yield "books", "lag_seconds", lag, "for how long something has waited to be booked"
    yield "books", "unshipped_bytes", waiting.bytes, "of journals, not in the ledger yet"
    yield (
        "books",
        "unshipped_usd",
        format_money(waiting.usd),
        "what the calls in them cost, as far as they say",
    )
    yield (
        "books",
        "unsettled",
        behind.unsettled,
        "observations that are in the ledger and not settled yet",
    )
    yield "books", "oldest", _at(asked, behind.oldest_us), "when the oldest call of them ended"
