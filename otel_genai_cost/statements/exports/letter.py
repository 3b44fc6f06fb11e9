"""What a statement says to a person: the words and figures of its HTML and of its PDF. Pure.

The cost to the issuer is no business of the customer and is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final, NamedTuple

from otel_genai_cost.pricing.instants import local_clock, zone_of
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.reports.printable import printable
from otel_genai_cost.statements.exports.issuer import Issuer
from otel_genai_cost.statements.exports.leaf_words import meter_words
from otel_genai_cost.statements.exports.numbering import number_of, whose_name
from otel_genai_cost.statements.rounding import payable_text
from otel_genai_cost.statements.statement import Statement, StatementLine, is_spread

__all__ = ["Group", "Item", "Letter", "Notice", "letter_of"]

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_UNIT_MAX: Final = 24
_INSTANT: Final = timedelta(microseconds=1)
_MINUS: Final = "\N{MINUS SIGN}"


class Item(NamedTuple):
    """A line as it is shown."""

    name: str
    quantity: str
    unit: str
    amount: str


class Group(NamedTuple):
    """The lines of one model, or one line that is of none and has no heading."""

    heading: str
    provider: str
    items: tuple[Item, ...]


class Notice(NamedTuple):
    """Something that the reader must not miss."""

    title: str
    text: str


class Letter(NamedTuple):
    """All that is shown, as text in which nothing is escaped yet; every part of it is printable."""

    issuer: Issuer
    title: str
    number: str
    tenant: str
    tenant_id: str
    scope: tuple[str, ...]
    period: str
    bounds: tuple[str, ...]
    revision: str
    currency: str
    groups: tuple[Group, ...]
    total: str
    total_name: str
    summary: tuple[tuple[str, str], ...]
    notices: tuple[Notice, ...]
    fine_print: tuple[tuple[str, str], ...]


def letter_of(one: Statement, issuer: Issuer, name: str | None = None) -> Letter:
    """A statement as it is put to a person.

    Args:
        one: the statement.
        issuer: who issues it.
        name: of the tenant; None for its id.
    """
    tenant_id = printable(whose_name(one))
    return Letter(
        issuer=_printable_issuer(issuer),
        title=printable(issuer.title),
        number=number_of(one),
        tenant=printable(name) if name else tenant_id,
        tenant_id=tenant_id if name and name != tenant_id else "",
        scope=tuple(_scope(one)),
        period=_period(one),
        bounds=_bounds(one),
        revision=_revision(one),
        currency=one.currency,
        groups=tuple(_groups(one)),
        total=_amount(one.total, one.currency),
        total_name="Total" if one.revision == 1 else "Change",
        summary=tuple(_summary(one)),
        notices=tuple(_notices(one)),
        fine_print=tuple(_fine_print(one)),
    )


def _printable_issuer(issuer: Issuer) -> Issuer:
    return issuer._replace(
        name=printable(issuer.name),
        lines=tuple(map(printable, issuer.lines)),
        contact=printable(issuer.contact),
        note=printable(issuer.note),
    )


def _scope(one: Statement) -> Iterator[str]:
    """What of the tenant it is about, and by which plan."""
    if one.scope is not None:
        yield f"{one.scope.capitalize()}: {printable(one.scope_value or 'none')}"
    if one.plan is not None:
        yield f"Plan: {printable(one.plan)}"


def _period(one: Statement) -> str:
    """The days of it: `October 2026`, `5 October 2026`, `26 October to 1 November 2026`."""
    zone = zone_of(one.zone)
    first = local_clock(one.period_from_us, zone).date()
    last = (local_clock(one.period_to_us, zone) - _INSTANT).date()
    if one.cadence == "monthly":
        return f"{_MONTHS[first.month - 1]} {first.year}"
    end = f"{last.day} {_MONTHS[last.month - 1]} {last.year}"
    if first >= last:
        return end
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {_MONTHS[first.month - 1]}{year} to {end}"


def _bounds(one: Statement) -> tuple[str, ...]:
    """Its ends on the clock of its zone."""
    zone = zone_of(one.zone)
    ends = (local_clock(us, zone) for us in (one.period_from_us, one.period_to_us))
    texts = [f"{at.date().isoformat()} {at:%H:%M} {_offset(f'{at:%z}')}" for at in ends]
    return f"from {texts[0]}", f"to {texts[1]}", one.zone


def _offset(text: str) -> str:
    return f"UTC{text[:3]}:{text[3:5]}" if text.strip("+-0") else "UTC"


def _groups(one: Statement) -> Iterator[Group]:
    """Lines that follow one another and are of one model stand under its name."""
    for key, found in groupby(one.lines, key=lambda line: (line.provider, line.model)):
        lines, (provider, model) = list(found), key
        if model is None:
            yield from (Group("", "", (_item(one, line, line.product),)) for line in lines)
        else:
            items = tuple(_item(one, line, _name(line)) for line in lines)
            yield Group(printable(model), printable(provider or ""), items)


def _name(line: StatementLine) -> str:
    """What of a model a line is about; the heading above it has the model."""
    return line.product if line.leaf is None else meter_words(line.leaf).capitalize()


def _item(one: Statement, line: StatementLine, name: str) -> Item:
    quantity = f"{line.quantity:,}".replace("-", _MINUS)
    unit = printable(line.unit.replace("_", " "))[:_UNIT_MAX]
    if is_spread(line):  # a part of other calls, which are counted where they are stated
        quantity = unit = ""
    return Item(printable(name), quantity, unit, _amount(line.amount, one.currency))


def _amount(atto: int, currency: str) -> str:
    """An amount with its separators; all of a statement have as many decimals, so their points stand in one column."""
    units, point, rest = payable_text(abs(atto), currency).partition(".")
    return f"{_MINUS if atto < 0 else ''}{int(units):,}{point}{rest}"


def _revision(one: Statement) -> str:
    return f"Revision {one.revision}" if one.revision > 1 else ""


def _summary(one: Statement) -> Iterator[tuple[str, str]]:
    """What a revision changes."""
    if one.revision > 1:
        _, _, to_date = one.to_date
        yield "Stated before", _amount(to_date - one.total, one.currency)
        yield "This revision", _amount(one.total, one.currency)
        yield "Total of the period", _amount(to_date, one.currency)


def _notices(one: Statement) -> Iterator[Notice]:
    if one.state == "open":
        yield Notice("Preliminary", "The period is not closed. Figures may change until it is.")
    if one.state == "blocked":
        yield Notice("Not closed", "What is said below has to be settled first.")
    if one.revision > 1:
        yield Notice(
            f"Revision {one.revision}",
            "It has only what changed since the revision before, which stays as it is.",
        )
    if one.unpriced:
        calls = "call" if one.unpriced == 1 else "calls"
        yield Notice(
            f"{one.unpriced:,} {calls} without a price",
            "What is not known is not in the total. A further revision states it once it is.",
        )
    if one.gaps:
        records = "record" if one.gaps == 1 else "records"
        yield Notice(
            f"{one.gaps:,} {records} missing",
            "Usage of this period may be missing here. If it is found, a further revision states the difference.",
        )
    for note in one.notes:
        yield Notice("", printable(note))


def _fine_print(one: Statement) -> Iterator[tuple[str, str]]:
    """By what the statement can be worked out again."""
    yield "Entries", f"{one.seq_from:,} to {one.seq_to:,}"
    yield "Calls", f"{one.calls:,}"
    if one.spread is not None:
        percent = Decimal(one.spread.share) * 100 / ATTO
        yield "Shared cost", f"spread by {one.spread.rule}, {percent:.4f} % of it here"
    if one.previous:
        yield "Revision before", one.previous
    yield "SHA-256", one.digest
