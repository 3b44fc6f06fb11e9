"""Cost by tenant, model, feature, hour: grouped sums over the entries of a store that answers SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["DIMENSIONS", "EXACT", "Group", "group_record", "last_seq", "plain", "report", "totals"]

_SQL: Final = (Path(__file__).parent / "sql" / "report.sql").read_text(encoding="utf-8")

_PLAIN: Final = (
    "tenant",
    "absent",
    "initiator",
    "plan",
    "feature",
    "workflow",
    "agent",
    "action",
    "service",
    "provider",
    "model",
    "operation",
    "reason",
    "quality",
)
_TIMES: Final = ("second", "minute", "hour", "day", "month")
DIMENSIONS: Final[Mapping[str, str]] = {
    **{name: name for name in _PLAIN},
    **{name: f"date_trunc('{name}', occurred)" for name in _TIMES},
}
"""What a report can be grouped by, and its expression."""


EXACT: Final = Context(prec=76)
"""Sums of DECIMAL(38,18) need more digits than the ambient context may have."""


class Group(NamedTuple):
    """One row of a report. `total` is None where nothing in the group has a price; currencies are never added up."""

    keys: Mapping[str, str | None]
    calls: int
    priced: int
    unpriced: int
    total: Decimal | None
    currency: str


def report(
    store: Queryable,
    by: Sequence[str],
    from_us: int | None = None,
    to_us: int | None = None,
    until_seq: int | None = None,
    *,
    by_cost: bool = False,
) -> list[Group]:
    """Cost of the calls that occurred in [from, to), grouped. Sorted by the groups, or by cost, highest first.

    Entries are only ever added: `until_seq` makes several reports speak of the same ones.
    Raises ConfigurationError for a dimension there is none of.
    """
    for name in by or [""]:
        if name not in DIMENSIONS:
            raise ConfigurationError(
                "cannot group by", value=name, remedy=f"use {', '.join(DIMENSIONS)}"
            )
    dimensions = ", ".join(f"{DIMENSIONS[name]} AS {name}" for name in by)
    places = ", ".join(str(at) for at in range(1, len(by) + 1))
    sql = _SQL.format(dimensions=dimensions, order=f"amount DESC, {places}" if by_cost else places)
    found = store.query(sql, [_moment(from_us), _moment(to_us), until_seq])
    return [_group(by, row) for row in found.rows]


def last_seq(store: Queryable) -> int:
    """The newest entry that the store holds; 0 if it holds none."""
    return int(store.query("SELECT coalesce(max(seq), 0) FROM entries").rows[0][0])


def _moment(us: int | None) -> str | None:
    return None if us is None else rfc3339(us).removesuffix("Z")


def _group(by: Sequence[str], row: Sequence[Any]) -> Group:
    keys = {name: _text(value) for name, value in zip(by, row, strict=False)}
    calls, priced, unpriced, amount, currency = row[len(by) :]
    return Group(keys, calls, priced, unpriced, amount if priced else None, currency)


def _text(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc).isoformat().replace("+00:00", "Z")
    return None if value is None else str(value)


def totals(groups: Sequence[Group]) -> list[Group]:
    """The sums of a report's rows, one for each currency."""
    sums: dict[str, Group] = {}
    for group in groups:
        known = sums.get(group.currency, Group({}, 0, 0, 0, None, group.currency))
        total = (
            known.total
            if group.total is None
            else EXACT.add(known.total or Decimal(0), group.total)
        )
        sums[group.currency] = Group(
            {},
            known.calls + group.calls,
            known.priced + group.priced,
            known.unpriced + group.unpriced,
            total,
            group.currency,
        )
    return list(sums.values())


def group_record(group: Group) -> dict[str, Any]:
    """A row as others script against it: the total is a decimal string or null."""
    return {
        **group.keys,
        "calls": group.calls,
        "priced": group.priced,
        "unpriced": group.unpriced,
        "total": None if group.total is None else plain(group.total),
        "currency": group.currency,
    }


def plain(amount: Decimal) -> str:
    """A decimal without exponent and trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
