"""From what somebody wrote of a tenant to a row: every defect with its place, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, tzinfo
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import Problem, TenantsError
from otel_genai_cost.ledger.tenants.billing_terms import TERMS, iso_currency, terms_of
from otel_genai_cost.ledger.tenants.row import WORDS, Revenue, TenantRow
from otel_genai_cost.pricing.instants import microseconds, midnight_us, rfc3339, zone_of
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.resolve import NAME_LIMIT
from otel_genai_cost.tenancy.attribution import tenant_id_of

__all__ = ["COLUMNS", "Written", "rows_of"]

COLUMNS: Final = (
    "tenant",
    "from",
    "to",
    "zone",
    *WORDS,
    "parent",
    "aliases",
    "revenue",
    "merged_into",
    *TERMS,
)
"""The keys of a row, in TOML, as columns of CSV and of a query."""

_ID: Final = "write 1 to 128 of A-Za-z0-9._~:/@|-, as it stands on the calls"
_DATE: Final = (
    'write an instant with an offset, 2026-11-01T00:00:00Z, or a date with zone = "Europe/Berlin"'
)
_REVENUE: Final = 'write what a month brings and in what, "1200.00 EUR"'


class Written(NamedTuple):
    """A row as it was written, and where; `zone` is the file's, where the row names none."""

    values: Mapping[str, Any]
    file: str
    line: int
    zone: str | None = None
    defect: tuple[str, str] | None = None
    """What is wrong with it as a whole, and what to do."""


class _DefectError(Exception):
    """What is wrong with a value, and what to do."""


def rows_of(written: Iterable[Written]) -> list[TenantRow]:
    """The rows, each checked by itself.

    Raises:
        TenantsError: with every problem, if one is broken.
    """
    rows: list[TenantRow] = []
    problems: list[Problem] = []
    for one in written:
        defects = [] if one.defect is None else [one.defect]
        row = _row(one, defects) if one.defect is None else None
        problems += [Problem(one.file, one.line, *defect) for defect in defects]
        if row is not None:
            rows.append(row)
    if problems:
        raise TenantsError(tuple(problems))
    return rows


def _row(one: Written, defects: list[tuple[str, str]]) -> TenantRow | None:
    values = {key: value for key, value in one.values.items() if value not in (None, "")}
    defects.extend(
        (f"unknown key {key!r} of a tenant", f"known: {', '.join(COLUMNS)}")
        for key in sorted(values.keys() - set(COLUMNS))
    )
    found = _Values(values, one.zone, defects)
    tenant, from_us = found.id("tenant"), found.instant("from")
    row = TenantRow(
        tenant=tenant or "",
        from_us=from_us or 0,
        to_us=found.instant("to"),
        words={word: text for word in WORDS if (text := found.text(word)) is not None},
        parent=found.id("parent"),
        aliases=tuple(found.ids("aliases")),
        revenue=found.revenue(),
        merged_into=found.id("merged_into"),
        billing=terms_of(values, found.wrong),
        file=one.file,
        line=one.line,
    )
    defects.extend(_contradictions(row, values))
    return None if defects else row


def _contradictions(row: TenantRow, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("tenant", "from"):
        if key not in values:
            yield f"a tenant's row without {key!r}", f"add {key}"
    if row.to_us is not None and row.to_us <= row.from_us:
        yield (
            f"from {values.get('from')} to {values.get('to')}",
            "write an end that is after the beginning",
        )
    if row.tenant in (row.parent, row.merged_into, *row.aliases):
        yield f"{row.tenant!r} names itself as parent, alias or merged_into", "leave that out"
    for alias in {alias for alias in row.aliases if row.aliases.count(alias) > 1}:
        yield f"the alias {alias!r} stands twice", "write it once"


class _Values:
    """The values of one row; what is wrong with one is added to `defects`."""

    def __init__(
        self, values: Mapping[str, Any], zone: str | None, defects: list[tuple[str, str]]
    ) -> None:
        self._values, self._defects = values, defects
        self._zone = self._zone_of(values.get("zone", zone))
        if self._zone is None and "zone" not in values and zone is None:
            self._zone = _known_zone(values.get("time_zone"))

    def wrong(self, what: str, remedy: str) -> None:
        """Note a defect of the row."""
        self._defects.append((what, remedy))

    def _zone_of(self, name: object) -> tzinfo | None:
        if name is None:
            return None
        try:
            return zone_of(str(name))
        except ValueError:
            remedy = "write Europe/Berlin or UTC; where there are none at all: pip install tzdata"
            self.wrong(f"no such time zone: {str(name)[:80]!r}", remedy)
            return None

    def text(self, key: str) -> str | None:
        """A word or two."""
        value = self._values.get(key)
        if value is None or (isinstance(value, str) and 0 < len(value.strip()) <= NAME_LIMIT):
            return None if value is None else value.strip()
        remedy = f"write a string of 1 to {NAME_LIMIT} characters"
        self.wrong(f"{key} is {str(value)[:80]!r}", remedy)
        return None

    def id(self, key: str) -> str | None:
        """A tenant's id."""
        value = self._values.get(key)
        if value is not None and tenant_id_of(value) is None:
            self.wrong(f"{key} is {str(value)[:80]!r}, which is no tenant id", _ID)
            return None
        return value

    def ids(self, key: str) -> Iterator[str]:
        """A list of ids, or text with spaces, commas or semicolons between them."""
        value = self._values.get(key, ())
        if isinstance(value, str):
            value = value.replace(",", " ").replace(";", " ").split()
        if not isinstance(value, (list, tuple)):
            self.wrong(f"{key} is {str(value)[:80]!r}", "write a list of ids")
            return
        for one in cast("list[object]", value):
            if (name := tenant_id_of(one)) is None:
                self.wrong(f"{str(one)[:80]!r} in {key} is no tenant id", _ID)
            else:
                yield name

    def instant(self, key: str) -> int | None:
        """Unix microseconds of an instant with an offset, or of when a date begins in the zone."""
        value = self._values.get(key)
        if value is None:
            return None
        try:
            us = self._us(value)
            rfc3339(us)
        except (ValueError, OverflowError):
            self.wrong(f"{key} is {str(value)[:80]!r}, which is no instant", _DATE)
            return None
        except _DefectError as defect:
            self.wrong(f"{key} is {str(value)[:80]!r}, {defect}", _DATE)
            return None
        return us

    def _us(self, value: object) -> int:
        if isinstance(value, datetime):
            value = value.isoformat()
        if isinstance(value, str) and len(value) == len("2026-11-01"):
            value = date.fromisoformat(value)
        if not isinstance(value, date):
            return microseconds(str(value))
        if self._zone is None:
            raise _DefectError("a date without a zone")
        return midnight_us(value, self._zone)

    def revenue(self) -> Revenue | None:
        """An amount and its currency: text, or a table of both."""
        value: object = self._values.get("revenue")
        if value is None:
            return None
        shown, parts = str(value)[:80], [value]
        if isinstance(value, str):
            parts = list[object](value.split())
        elif isinstance(value, dict):
            table = cast("dict[str, object]", value)
            parts = [table.get("amount"), table.get("currency")] if len(table) == 2 else []
        try:
            amount, currency = parts
            return Revenue(_amount(amount), iso_currency(currency))
        except ValueError:
            self.wrong(f"revenue is {shown!r}", _REVENUE)
            return None


def _known_zone(name: object) -> tzinfo | None:
    """The zone of a tenant, whose midnight a date is where no other is named; defects of it are named elsewhere."""
    try:
        return None if name is None else zone_of(str(name))
    except ValueError:
        return None


def _amount(value: object) -> int:
    """Raises ValueError if it is no amount of 0 or more."""
    amount = parse_money(value)
    if amount < 0:
        raise ValueError
    return amount
