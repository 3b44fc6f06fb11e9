"""How much of the providers' bills of a time the ledger knows: captured, attributed, unexplained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.instants import zone_of
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.bills import Bills
from otel_genai_cost.reconciliation.ours import condition_of, selection_of_days
from otel_genai_cost.reconciliation.reading import providers_of, zone_name
from otel_genai_cost.reconciliation.reconcile import Reconciled
from otel_genai_cost.reconciliation.run import compare
from otel_genai_cost.reconciliation.split import Class
from otel_genai_cost.reports.tables import atto_of

__all__ = ["Share", "shares", "shares_record"]

_SQL: Final = (Path(__file__).parent / "sql" / "attributed.sql").read_text(encoding="utf-8")
_NOT_CAPTURED: Final[tuple[Class, ...]] = ("volume", "coverage", "unknown")
_PLACES: Final = Decimal("0.0001")


class Share(NamedTuple):
    """A provider's bill, in atto of one currency.

    Attributes:
        provider: whose bill.
        from_day, to_day: its first and its last day of those asked for.
        currency: of it.
        billed: all of it, with credits and taxes.
        usage: of it, what is for usage.
        captured: of that, what our calls are of.
        attributed: of that, what is a tenant's or the platform's own.
        unexplained: what no class explains, whatever its sign.
        final: whether the provider will not change it any more.
    """

    provider: str
    from_day: str
    to_day: str
    currency: str
    billed: int
    usage: int
    captured: int
    attributed: int
    unexplained: int
    final: bool


def shares(
    store: Queryable, book: Book, bills: Bills, from_day: str, to_day: str
) -> Iterator[Share]:
    """Every bill of these days, by provider, whose days it counts, and currency.

    Args:
        store: what holds the entries.
        book: knows what models' names stand for.
        bills: as they came.
        from_day: the first day, of each provider's calendar.
        to_day: the last day.
    """
    for provider in bills.providers():
        known = bills.standing(provider, from_day, to_day)
        zones = {
            digest: bills.zone(provider, digest) or zone_name(provider)
            for digest in {one.digest for one in known.values()}
        }
        by_zone: dict[str, dict[Cell, Billed]] = {}
        for cell, one in known.items():
            by_zone.setdefault(zones[one.digest], {})[cell] = one.billed
        for zone, cells in sorted(by_zone.items()):
            yield from _of_provider(store, book, provider, cells, zone_of(zone))


def _of_provider(
    store: Queryable, book: Book, provider: str, cells: Mapping[Cell, Billed], zone: tzinfo
) -> Iterator[Share]:
    days = min(cell.day for cell in cells), max(cell.day for cell in cells)
    providers = providers_of(provider)
    found = compare(store, book, cells, providers=providers, zone=zone, days=days).cells
    condition, parameters = condition_of(selection_of_days(days, zone), providers)
    rows = store.query(_SQL.format(condition=condition), parameters).rows
    attributed = {row[0]: Fraction(atto_of(row[2]), atto_of(row[1])) for row in rows if row[1]}
    for currency in sorted({cell.currency for cell in cells}):
        of_currency = [one for one in found if one.pair.cell.currency == currency]
        captured = _captured(of_currency)
        yield Share(
            provider=provider,
            from_day=days[0],
            to_day=days[1],
            currency=currency,
            billed=sum(one.split.theirs or 0 for one in of_currency),
            usage=sum(map(_usage, of_currency)),
            captured=captured,
            attributed=round(captured * attributed.get(currency, Fraction(0))),
            unexplained=sum(abs(one.split.unexplained) for one in of_currency),
            final=all(cells[cell].final for cell in cells if cell.currency == currency),
        )


def _usage(one: Reconciled) -> int:
    return (one.split.theirs or 0) if one.pair.cell.kind == "usage" else 0


def _captured(found: Iterable[Reconciled]) -> int:
    """What is billed for usage, less what is billed for calls that we do not have."""
    usage = [one for one in found if one.pair.cell.kind == "usage"]
    missing = sum(max(0, one.split.parts.get(cls, 0)) for one in usage for cls in _NOT_CAPTURED)
    return sum(map(_usage, usage)) - missing


def shares_record(found: Iterable[Share]) -> dict[str, Any]:
    """As JSON: each bill, and all of them together where they are in one currency; nothing without any bill.

    Args:
        found: the bills.
    """
    every = list(found)
    record: dict[str, Any] = {"bills": [_record(one) for one in every]}
    if len({one.currency for one in every}) == 1:
        billed, usage, captured, attributed, unexplained = (
            sum(column)
            for column in zip(
                *((o.billed, o.usage, o.captured, o.attributed, o.unexplained) for o in every),
                strict=True,
            )
        )
        record |= {
            "billed": format_money(billed),
            "captured_share": _share(captured, usage),
            "attributed_share": _share(attributed, usage),
            "unexplained": format_money(unexplained),
        }
    return record


def _record(one: Share) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "from": one.from_day,
        "to": one.to_day,
        "currency": one.currency,
        "billed": format_money(one.billed),
        "captured_share": _share(one.captured, one.usage),
        "attributed_share": _share(one.attributed, one.usage),
        "unexplained": format_money(one.unexplained),
        "final": one.final,
    }


def _share(part: int, whole: int) -> str | None:
    if whole <= 0:
        return None
    return str((Decimal(part) / whole).quantize(_PLACES, ROUND_DOWN))
