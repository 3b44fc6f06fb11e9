"""Cost by tenant, model, feature, hour: grouped sums over the entries of a store that answers SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.attributes import LABELS
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.reports.clock import TIMES, clock
from otel_genai_cost.reports.registered import REGISTERED, Join, join
from otel_genai_cost.reports.selection import EVERYTHING, Selection, local_time
from otel_genai_cost.reports.sums import EXACT, Key, Summed, Sums, ordered, sums_of
from otel_genai_cost.vocabulary import Side

__all__ = [
    "DIMENSIONS",
    "EXACT",
    "TIMES",
    "Extent",
    "Group",
    "QueryParts",
    "atto_of",
    "check_dimensions",
    "decimal_text",
    "extent",
    "group_record",
    "groups_of",
    "last_seq",
    "query_parts",
    "report",
    "rounded",
    "sums",
    "text_of_key",
    "totals",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_QUERIES: Final = Path(__file__).parent / "sql"
_SQL: Final = (_QUERIES / "report.sql").read_text(encoding="utf-8")
_SPAN_SQL: Final = (_QUERIES / "span.sql").read_text(encoding="utf-8")
_EXTENT_SQL: Final = (_QUERIES / "extent.sql").read_text(encoding="utf-8")

_WORDS: Final = (
    "tenant",
    "absent",
    "initiator",
    *LABELS,
    "service",
    "provider",
    "model",
    "operation",
    "reason",
    "quality",
)
DIMENSIONS: Final = (*_WORDS, *REGISTERED, *TIMES)
"""What a report can be grouped by."""


_SIDES: Final[Mapping[Side, tuple[str, str, str]]] = {
    "cost": (
        "amount",
        "entries.currency",
        "reason = 'unpriced_component' OR (reason = 'no_fx_rate' AND amount <> 0)",
    ),
    "price": ("price", "price_currency", "reason = 'unpriced_component'"),
}
"""Of each side, the column of the money, that of its currency, and when a part of what has no total is known: what a
call costs is known whole where only its price cannot be converted."""

_NEAR_US: Final = 3_600_000_000
"""In so much time at either end there is a second of which something is left, but for the rarest of corrections."""


class Group(NamedTuple):
    """One row of a report: of the cost or of the price. `total` is None where nothing in the group has a price;
    currencies are never added up.

    `partial` are those of the unpriced calls part of whose figure is known; `at_least` is what is known with those
    parts, None where nothing is.
    """

    keys: Mapping[str, str | None]
    calls: int
    priced: int
    unpriced: int
    total: Decimal | None
    currency: str
    partial: int = 0
    at_least: Decimal | None = None


def report(
    store: Queryable,
    by: Sequence[str],
    selection: Selection = EVERYTHING,
    until_seq: int | None = None,
    *,
    by_cost: bool = False,
) -> list[Group]:
    """What the calls selected come to, grouped.

    Args:
        store: what holds the entries.
        by: names of DIMENSIONS; stretches of time are those of the selection's zone.
        selection: which calls.
        until_seq: the last entry that counts. Entries are only ever added, so it makes several reports speak of the
            same ones.
        by_cost: sort by currency and cost, highest first; else by the groups.

    Raises:
        ConfigurationError: for a dimension there is none of.
    """
    found = sums(store, by, selection, until_seq)
    return groups_of(found, by, selection.zone, by_cost=by_cost)


def sums(
    store: Queryable,
    by: Sequence[str],
    selection: Selection = EVERYTHING,
    until_seq: int | None = None,
    after_seq: int | None = None,
) -> Sums:
    """What a report is made of: sums that add up with those of other entries.

    Args:
        store: what holds the entries.
        by: names of DIMENSIONS.
        selection: which calls.
        until_seq: the last entry that counts.
        after_seq: the last that does not.

    Raises:
        ConfigurationError: for a dimension there is none of.
    """
    after = "TRUE" if after_seq is None else f"seq > {after_seq:d}"
    parts = query_parts(by, selection, first=2, among=after)
    sql = _SQL.format(after=after, **parts.sql)
    return sums_of(store.query(sql, [until_seq, *parts.parameters]).rows)


def groups_of(sums: Sums, by: Sequence[str], zone: tzinfo, *, by_cost: bool = False) -> list[Group]:
    """The rows of a report.

    Args:
        sums: what they are made of.
        by: names of the dimensions.
        zone: on whose clock instants are shown.
        by_cost: sort by currency and cost, highest first; else by the groups.
    """
    return [_group(by, key, one, zone) for key, one in ordered(sums, by_cost=by_cost)]


class QueryParts(NamedTuple):
    """What a query by dimensions is put together of.

    Attributes:
        sql: `relation`, `source`, `dimensions`, `condition`; of the selection's side `amount`, `currency`, `partial`.
        parameters: of the relation and the condition, in order.
    """

    sql: Mapping[str, str]
    parameters: list[Any]

    @property
    def before_own(self) -> str:
        """The beginning of a statement that has common table expressions of its own behind the relation."""
        relation = self.sql["relation"].rstrip()
        return f"{relation}," if relation else "WITH"


def query_parts(
    by: Sequence[str], selection: Selection, first: int, among: str = "TRUE"
) -> QueryParts:
    """The parts of a query.

    Args:
        by: names of DIMENSIONS.
        selection: which calls.
        first: the number of the first parameter.
        among: what holds, in SQL, of all entries that are selected, besides.

    Raises:
        ConfigurationError: for a dimension there is none of.
    """
    check_dimensions(by)
    joined = join(selection.directory, {*by, *_filtered(selection)}, first)
    condition, parameters = _condition(selection, joined, first)
    amount, currency, partial = _SIDES[selection.side]
    between, _ = Selection(from_us=selection.from_us, to_us=selection.to_us).condition(
        first + len(joined.parameters)  # a selection's condition begins with these
    )
    begins = clock(by, selection.zone, f"{between} AND {among}")
    stands_for = {**joined.expressions, **begins.expressions}
    names = ", ".join(f"{stands_for.get(name, name)} AS {name}" for name in by)
    relation, source = begins.beside(joined.relation), joined.source + begins.source
    sql = {"relation": relation, "source": source, "dimensions": names}
    sides = {"amount": amount, "currency": currency, "partial": partial}
    return QueryParts({**sql, **sides, "condition": condition}, parameters)


def check_dimensions(by: Sequence[str]) -> None:
    """Check what a report is to be grouped by.

    Args:
        by: names of dimensions.

    Raises:
        ConfigurationError: for none at all, and for a name that is no dimension.
    """
    for name in by or [""]:
        if name not in DIMENSIONS:
            raise ConfigurationError(
                "cannot group by", value=name, remedy=f"use {', '.join(DIMENSIONS)}"
            )


class Extent(NamedTuple):
    """How many calls there are, and when the first and the last ended, to the second."""

    calls: int
    first_us: int | None
    last_us: int | None


def extent(
    store: Queryable, selection: Selection = EVERYTHING, until_seq: int | None = None
) -> Extent:
    """How many calls there are, and the stretch of time that they take up.

    Args:
        store: where they are counted.
        selection: which calls.
        until_seq: only entries up to this one.
    """
    calls, oldest, newest = _ends(store, _SPAN_SQL, selection, until_seq)
    if oldest is None or newest is None:
        return Extent(calls, None, None)
    begin = selection._replace(from_us=oldest, to_us=_sooner(selection.to_us, oldest + _NEAR_US))
    end = selection._replace(from_us=max(selection.from_us or oldest, newest - _NEAR_US))
    first = _ends(store, _EXTENT_SQL, begin, until_seq)[1]
    last = _ends(store, _EXTENT_SQL, end, until_seq)[2]
    if first is None or last is None:  # all that is near the end was taken back
        _, first, last = _ends(store, _EXTENT_SQL, selection, until_seq)
    return Extent(calls, first, last)


def _sooner(us: int | None, other_us: int) -> int:
    return other_us if us is None else min(us, other_us)


def _ends(
    store: Queryable, text: str, selection: Selection, until_seq: int | None
) -> tuple[int, int | None, int | None]:
    """How many calls, and two instants."""
    joined = join(selection.directory, _filtered(selection), first=2)
    condition, parameters = _condition(selection, joined, first=2)
    parts = {"condition": condition, "amount": _SIDES[selection.side][0]}
    sql = text.format(relation=joined.relation, source=joined.source, **parts)
    ((calls, first, last),) = store.query(sql, [until_seq, *parameters]).rows
    return calls, _microseconds(first), _microseconds(last)


def atto_of(amount: Decimal) -> int:
    """Atto of a sum that a store has.

    Args:
        amount: with at most 18 decimals.
    """
    return int(amount.scaleb(18, EXACT))


def _us(value: datetime) -> int:
    return (value.replace(tzinfo=timezone.utc) - _EPOCH) // timedelta(microseconds=1)


def _microseconds(value: datetime | None) -> int | None:
    return None if value is None else _us(value)


def _filtered(selection: Selection) -> tuple[str, ...]:
    """What its filters ask the registry for."""
    return ("tenant",) if selection.is_by_tenant else ()


def _condition(selection: Selection, joined: Join, first: int) -> tuple[str, list[Any]]:
    """The selection's condition on a join, and the parameters of both."""
    first += len(joined.parameters)
    condition, parameters = selection.condition(first, joined.expressions["tenant"])
    return condition, [*joined.parameters, *parameters]


def last_seq(store: Queryable) -> int:
    """The newest entry that the store holds; 0 if it holds none."""
    return int(store.query("SELECT coalesce(max(seq), 0) FROM entries").rows[0][0])


def _group(by: Sequence[str], key: Key, one: Summed, zone: tzinfo) -> Group:
    return Group(
        keys={name: text_of_key(value, zone) for name, value in zip(by, key, strict=False)},
        calls=one.calls,
        priced=one.priced,
        unpriced=one.unpriced,
        total=one.amount if one.priced else None,
        currency=str(key[-1]),
        partial=one.partial,
        at_least=one.amount if one.priced or one.partial else None,
    )


def text_of_key(value: Any, zone: tzinfo) -> str | None:
    """What a dimension's value reads as.

    Args:
        value: as a store gives it.
        zone: on whose clock instants are shown.
    """
    if isinstance(value, datetime):
        return local_time(zone, _us(value))
    return None if value is None else str(value)


def totals(groups: Sequence[Group]) -> list[Group]:
    """The sums of a report's rows, one for each currency."""
    sums: dict[str, Group] = {}
    for group in groups:
        known = sums.get(group.currency, Group({}, 0, 0, 0, None, group.currency))
        sums[group.currency] = Group(
            keys={},
            calls=known.calls + group.calls,
            priced=known.priced + group.priced,
            unpriced=known.unpriced + group.unpriced,
            total=_sum(known.total, group.total),
            currency=group.currency,
            partial=known.partial + group.partial,
            at_least=_sum(known.at_least, group.at_least),
        )
    return list(sums.values())


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """The sum of what is known; None if nothing is."""
    if one is None or other is None:
        return other if one is None else one
    return EXACT.add(one, other)


def group_record(group: Group) -> dict[str, Any]:
    """A row as others script against it: amounts are decimal strings or null."""
    return {
        **group.keys,
        "calls": group.calls,
        "priced": group.priced,
        "unpriced": group.unpriced,
        "total": None if group.total is None else decimal_text(group.total),
        "currency": group.currency,
        "at_least": None if group.at_least is None else decimal_text(group.at_least),
    }


def decimal_text(amount: Decimal) -> str:
    """A decimal without exponent and trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(amount: Decimal) -> str:
    """For a headline: to cents, or, below one, to three digits that count. The exact figure belongs beside it."""
    if not amount:
        return "0"
    places = 2 if abs(amount) >= 1 else 2 - amount.adjusted()
    return f"{EXACT.quantize(amount, Decimal(1).scaleb(-places)):,f}"
