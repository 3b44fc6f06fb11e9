"""From what a file says to rows of revenue: every defect in one go, with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import Problem
from otel_genai_cost.limits.currency import CURRENCIES
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import ATTO, money_in
from otel_genai_cost.reports.revenue.row import REVENUE_KINDS, Revenue
from otel_genai_cost.tenancy.attribution import tenant_id_of
from otel_genai_cost.vocabulary import word

__all__ = ["COLUMNS", "CORRECTION", "Checked", "WrittenRevenue", "checked"]

COLUMNS: Final = (
    *("tenant", "from", "to", "amount", "currency", "kind", "source", "ref"),
    *("feature", "seats"),
)
"""The columns of a file of CSV; `source`, `feature` and `seats` may be missing."""

_NAME_MAX: Final = 256
_AMOUNT_LIMIT: Final = 10**15 * ATTO
_SEATS_LIMIT: Final = 10**9


class WrittenRevenue(NamedTuple):
    """A row as it was written: text by column, "" for nothing; and where."""

    values: Mapping[str, str]
    file: str
    line: int


class Checked(NamedTuple):
    """The rows that are whole, and what is wrong with the others."""

    rows: list[Revenue]
    problems: list[Problem]


def _text(value: str) -> str:
    if not 0 < len(value) <= _NAME_MAX or not value.isprintable():
        raise ValueError
    return value


def _tenant(value: str) -> str:
    found = tenant_id_of(value)
    if found is None:
        raise ValueError
    return found


def _us(value: str) -> int:
    found = microseconds(f"{value}T00:00:00Z" if len(value) == len("2026-10-01") else value)
    rfc3339(found)
    return found


def _amount(value: str) -> int:
    found = money_in(value)
    if found is None or abs(found) >= _AMOUNT_LIMIT:
        raise ValueError
    return found


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError
    return value


def _kind(value: str) -> str:
    if value not in REVENUE_KINDS:
        raise ValueError
    return value


def _seats(value: str) -> int:
    if not (value.isascii() and value.isdecimal()) or int(value[:20]) >= _SEATS_LIMIT:
        raise ValueError
    return int(value)


_DATE: Final = "write an instant with an offset, 2026-10-01T00:00:00Z, or a date, which is UTC's"
_READERS: Final[Mapping[str, tuple[Callable[[str], Any], str]]] = {
    "tenant": (_tenant, "write 1 to 128 of A-Za-z0-9._~:/@|-, as it stands on the calls"),
    "from": (_us, _DATE),
    "to": (_us, _DATE),
    "amount": (_amount, "write a decimal number below 10^15, to 18 places, without taxes"),
    "currency": (_currency, 'write an ISO 4217 code, "USD"'),
    "kind": (_kind, f"write {', '.join(REVENUE_KINDS)}"),
    "source": (_text, f"write 1 to {_NAME_MAX} printable characters"),
    "ref": (_text, f"write 1 to {_NAME_MAX} printable characters that name this row alone"),
    "feature": (_text, f"write 1 to {_NAME_MAX} printable characters"),
    "seats": (_seats, "write a whole number"),
}
CORRECTION: Final = "import a correction as a row of its own, with a ref of its own"
_OPTIONAL: Final = ("feature", "seats")


def checked(written: Iterable[WrittenRevenue], kept: Mapping[str, str]) -> Checked:
    """The rows of some files. One that stands twice in the same words is one.

    Args:
        written: as they stand there, in any order.
        kept: digests of the rows that were imported before, by ref.
    """
    found = Checked([], [])
    places: dict[str, WrittenRevenue] = {}
    digests: dict[str, str] = {}
    for one in written:
        row = _row(one, found.problems)
        if row is None:
            continue
        if kept.get(row.ref, row.digest) != row.digest:
            what = f"ref {row.ref!r} was imported as something else"
            found.problems.append(Problem(one.file, one.line, what, CORRECTION))
        elif row.ref not in digests:
            places[row.ref], digests[row.ref] = one, row.digest
            found.rows.append(row)
        elif digests[row.ref] != row.digest:
            first = places[row.ref]
            what = f"ref {row.ref!r} stands for something else at {first.file}:{first.line}"
            found.problems.append(
                Problem(one.file, one.line, what, "give each row a ref of its own")
            )
    return found


def _row(one: WrittenRevenue, problems: list[Problem]) -> Revenue | None:
    values: dict[str, Any] = {}
    before = len(problems)
    for name, (read, remedy) in _READERS.items():
        text = one.values.get(name, "").strip()
        if not text and name in _OPTIONAL:
            values[name] = None
            continue
        try:
            values[name] = read(text)
        except (ValueError, OverflowError):
            what = f"{name} is {text[:80]!r}" if text else f"no {name}"
            problems.append(Problem(one.file, one.line, what, remedy))
    if len(problems) == before and not _is_forward(values):
        what = f"from {one.values['from']} to {one.values['to']}"
        problems.append(Problem(one.file, one.line, what, "write an end after the beginning"))
    if len(problems) > before:
        return None
    return Revenue(
        tenant=values["tenant"],
        from_us=values["from"],
        to_us=values["to"],
        amount=values["amount"],
        currency=values["currency"],
        kind=word(values["kind"], REVENUE_KINDS, "flat"),
        source=values["source"],
        ref=values["ref"],
        feature=values["feature"],
        seats=values["seats"],
    )


def _is_forward(values: Mapping[str, Any]) -> bool:
    """Credit is sold at an instant; all else is for some time."""
    return bool(
        values["from"] < values["to"]
        or (values["kind"] == "credit" and values["from"] == values["to"])
    )
