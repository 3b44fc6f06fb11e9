"""What an action costs: of all actions of a customer the mean, the median and the 95th percentile, and the part of it
that went into calls that failed, were sent again or fell back to another model.

An action is one value of the label `action` for one tenant: the trace, unless something names it. Sums are those of
`report`; a percentile is an amount that some action had, by nearest rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import divide_half_even, format_money
from otel_genai_cost.reports.action_parts import PARTS_SQL, PartsOf, action_parts
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.tables import atto_of, query_parts, text_of_key
from otel_genai_cost.reports.troubled import TROUBLES, Readings, Trouble, troubled

__all__ = [
    "ActionGroup",
    "Wasted",
    "action_record",
    "actions",
    "actions_and_sums",
    "nearest_rank",
    "share_text",
]

_QUERIES: Final = Path(__file__).parent / "sql"
_SQL: Final = (_QUERIES / "actions.sql").read_text(encoding="utf-8")
_TROUBLES_SQL: Final = (_QUERIES / "troubles.sql").read_text(encoding="utf-8")

_OWNER: Final = {"tenant"}
"""What an action is one value of its label for, whatever it is grouped by: two customers may use the same one."""

_MEASURES: Final = ", ".join(
    (
        "currency, count(*) AS actions, count(*) FILTER (WHERE unpriced = 0) AS priced",
        "CAST(sum(calls) AS BIGINT) AS calls, CAST(sum(unpriced) AS BIGINT) AS unpriced, sum(amount) AS amount",
        "sum(amount) FILTER (WHERE unpriced = 0) AS priced_amount",
        "quantile_disc(amount, [0.50, 0.95]) FILTER (WHERE unpriced = 0) AS amounts",
        "quantile_disc(calls, [0.50, 0.95]) AS calls_of_one",
    )
)
_WHOLE: Final = """SELECT currency,
           CAST(sum(calls) AS BIGINT) AS calls,
           CAST(sum(unpriced) AS BIGINT) AS unpriced,
           sum(amount) AS amount
    FROM part
    GROUP BY tenant, this_action, currency"""
_PERCENT: Final = 100
_SHARE_PLACES: Final = 6


class Wasted(NamedTuple):
    """Calls of one kind of trouble, and what they cost as far as that is known (atto)."""

    calls: int
    cost: int


_NOTHING: Final = Wasted(0, 0)
_OfGroups = Mapping[tuple[Any, ...], Mapping[Trouble, Wasted]]


class ActionGroup(NamedTuple):
    """The actions of one group, in one currency; money is atto.

    Attributes:
        keys: of the dimensions.
        currency: of all its sums.
        actions: how many there are.
        priced: those whose calls all have a price; mean and percentiles are of these, None where there are none.
        calls: of all actions.
        unpriced: calls without a price.
        cost: of all calls, as far as it is known.
        mean: of the priced actions, rounded half to even at 1e-18.
        p50, p95: by nearest rank.
        calls_p50, calls_p95: calls of an action, of all actions, likewise.
        troubles: by what became of calls.
    """

    keys: Mapping[str, str | None]
    currency: str
    actions: int
    priced: int
    calls: int
    unpriced: int
    cost: int
    mean: int | None
    p50: int | None
    p95: int | None
    calls_p50: int
    calls_p95: int
    troubles: Mapping[Trouble, Wasted]

    @property
    def wasted(self) -> Wasted:
        """All calls that were troubled, each once."""
        found = self.troubles.values()
        return Wasted(sum(one.calls for one in found), sum(one.cost for one in found))


def nearest_rank(values: Sequence[int], percent: int) -> int:
    """The percentile by nearest rank: the smallest value that at least so many per cent of all are not above.

    Args:
        values: in ascending order, at least one.
        percent: 1 to 100.
    """
    return values[-(-percent * len(values) // _PERCENT) - 1]


def share_text(part: int, whole: int) -> str | None:
    """A share as a decimal of six places, half to even; None of nothing.

    Args:
        part: what is compared.
        whole: with what; a share of less than nothing is none.
    """
    if whole <= 0:
        return None
    millionths = divide_half_even(part * 10**_SHARE_PLACES, whole)
    return format_money(millionths * 10 ** (18 - _SHARE_PLACES))


def actions(
    store: Queryable,
    ledger: Ledger,
    by: Sequence[str],
    selection: Selection = EVERYTHING,
    until_seq: int | None = None,
    readings: Readings | None = None,
    parts_of: PartsOf | None = None,
) -> list[ActionGroup]:
    """The cost of actions, grouped; the dearest group of each currency first.

    Args:
        store: what holds the entries.
        ledger: what knows which calls were troubled.
        by: names of `reports.tables.DIMENSIONS`; an action whose calls are in several groups has its part in each.
        selection: which calls. Of an action that reaches beyond its time only these count.
        until_seq: the last entry that counts.
        readings: of the troubled calls, where they are at hand; else they are asked of the ledger.
        parts_of: gives parts of actions; None for those of the entries.

    Raises:
        ConfigurationError: for a dimension there is none of.
    """
    return actions_and_sums(store, ledger, by, selection, until_seq, readings, parts_of)[0]


def actions_and_sums(
    store: Queryable,
    ledger: Ledger,
    by: Sequence[str],
    selection: Selection = EVERYTHING,
    until_seq: int | None = None,
    readings: Readings | None = None,
    parts_of: PartsOf | None = None,
) -> tuple[list[ActionGroup], list[ActionGroup]]:
    """The groups of `actions`, and all actions of each currency as one group, there each of them whole.

    Args:
        store, ledger, by, selection, until_seq, readings, parts_of: as `actions` has them.

    Raises:
        ConfigurationError: for a dimension there is none of.
    """
    dimensions = [*by, *_OWNER.difference(by)]
    asked = parts_of or partial(action_parts, until_seq=until_seq)
    parts = asked(dimensions, selection, 1)
    sql = _SQL.format(
        parts=parts.sql,
        parts_sql=PARTS_SQL,
        dimensions=", ".join(f'"{name}"' for name in dimensions),
        names="".join(f'"{name}", ' for name in by),
        no_names="NULL, " * len(by),
        measures=_MEASURES,
        whole="SELECT * FROM part" if _OWNER.issuperset(by) else _WHOLE,
    )
    rows = store.query(sql, parts.parameters).rows
    found = ledger.observations.troubled() if readings is None else readings
    became = troubled(store, found, until_seq, selection)
    wasted = _wasted(store, became, by, selection, until_seq)
    groups = [_group(by, row[1:], selection, wasted) for row in rows if not row[0]]
    sums = [_group([], row[1 + len(by) :], selection, wasted) for row in rows if row[0]]
    groups.sort(key=lambda one: (one.currency, -one.cost, _order(one)))
    return groups, sorted(sums, key=lambda one: one.currency)


def _wasted(
    store: Queryable,
    became: Mapping[str, Trouble],
    by: Sequence[str],
    selection: Selection,
    until_seq: int | None,
) -> _OfGroups:
    """By the values of each group and its currency, and by each currency alone."""
    found: dict[tuple[Any, ...], dict[Trouble, Wasted]] = {}
    if not became:
        return found
    parts = query_parts(by, selection, first=4)
    asked = [list(became), list(became.values()), until_seq, *parts.parameters]
    for row in store.query(_TROUBLES_SQL.format(**parts.sql), asked).rows:
        *key, trouble, calls, amount = row
        for group in (tuple(key), tuple(key[-1:])):
            of_group = found.setdefault(group, {})
            known = of_group.get(trouble, _NOTHING)
            of_group[trouble] = Wasted(known.calls + calls, known.cost + atto_of(amount))
    return found


def _order(one: ActionGroup) -> list[tuple[bool, str]]:
    return [(value is None, value or "") for value in one.keys.values()]


def _group(
    by: Sequence[str], row: Sequence[Any], selection: Selection, wasted: _OfGroups
) -> ActionGroup:
    keys, (currency, number, priced, calls, unpriced, amount, priced_amount, amounts, counts) = (
        row[: len(by)],
        row[len(by) :],
    )
    p50, p95 = map(atto_of, amounts) if priced else (None, None)
    troubles = wasted.get((*keys, currency), {})
    return ActionGroup(
        keys={
            name: text_of_key(value, selection.zone) for name, value in zip(by, keys, strict=True)
        },
        currency=currency,
        actions=number,
        priced=priced,
        calls=calls,
        unpriced=unpriced,
        cost=atto_of(amount),
        mean=divide_half_even(atto_of(priced_amount), priced) if priced else None,
        p50=p50,
        p95=p95,
        calls_p50=counts[0],
        calls_p95=counts[1],
        troubles={trouble: troubles.get(trouble, _NOTHING) for trouble in TROUBLES},
    )


def action_record(one: ActionGroup) -> dict[str, Any]:
    """A group as others script against it: money and shares are decimal strings, what is unknown is null."""
    has_cost = one.unpriced < one.calls or bool(one.cost)
    wasted = one.wasted
    record: dict[str, Any] = {
        **one.keys,
        "currency": one.currency,
        "actions": one.actions,
        "priced_actions": one.priced,
        "calls": one.calls,
        "unpriced": one.unpriced,
        "total": format_money(one.cost) if has_cost else None,
        "mean": _text(one.mean),
        "p50": _text(one.p50),
        "p95": _text(one.p95),
        "calls_p50": one.calls_p50,
        "calls_p95": one.calls_p95,
    }
    for trouble in TROUBLES:
        record[trouble] = one.troubles[trouble].calls
        record[f"{trouble}_cost"] = format_money(one.troubles[trouble].cost)
    record["wasted"] = format_money(wasted.cost)
    record["wasted_share"] = share_text(wasted.cost, one.cost)
    record["wasted_calls_share"] = share_text(wasted.calls, one.calls)
    return record


def _text(amount: int | None) -> str | None:
    return None if amount is None else format_money(amount)
