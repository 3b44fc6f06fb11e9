"""How the cost of actions is distributed, the dearest of them, and the calls of one."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.reports.action_parts import PARTS_SQL, PartsOf, action_parts
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import query_parts

__all__ = ["ActionCall", "ActionCosts", "Bucket", "Dear", "action_calls", "action_costs"]

_QUERIES: Final = Path(__file__).parent / "sql"
_COSTS_SQL: Final = (_QUERIES / "action_costs.sql").read_text(encoding="utf-8")
_CALLS_SQL: Final = (_QUERIES / "one_action.sql").read_text(encoding="utf-8")

_STEPS: Final = (100, 125, 160, 200, 250, 320, 400, 500, 630, 800)

BOUNDS: Final = (
    Decimal(0),
    *(Decimal(step).scaleb(power) for power in range(-11, 4) for step in _STEPS),
)
"""Where buckets begin: at nothing, and at ten steps to each power of ten, a quarter more each time or nearly so, since
some actions cost a thousand times what others do."""

_OF_A_CALL: Final = ("tenant", "provider", "model", "feature", "service")
_COUNT: Final = 1


class Bucket(NamedTuple):
    """Actions that come to `low` or more and less than `high`; None for no limit."""

    low: Decimal | None
    high: Decimal | None
    actions: int


class Dear(NamedTuple):
    """An action: whose, its value, what it comes to as far as that is known, and when its last call ended."""

    tenant: str | None
    action: str
    currency: str
    calls: int
    unpriced: int
    amount: Decimal
    last_us: int


class ActionCosts(NamedTuple):
    """Of one currency.

    Attributes:
        buckets: of actions all of whose calls have a price, the cheapest first, without gaps.
        dearest: of all.
    """

    buckets: tuple[Bucket, ...]
    dearest: tuple[Dear, ...]


def action_costs(
    store: Queryable,
    selection: Selection,
    most: int,
    parts_of: PartsOf = action_parts,
) -> Mapping[str, ActionCosts]:
    """By currency, how many actions come to how much, and which come to most; an action is of one tenant.

    Args:
        store: what holds the entries.
        selection: which calls.
        most: of the dearest.
        parts_of: gives parts of actions.
    """
    parts = parts_of(["tenant"], selection, 2)
    sql = _COSTS_SQL.format(parts=parts.sql, parts_sql=PARTS_SQL, most=most)
    bounds = [format(bound, "f") for bound in BOUNDS]
    counts: dict[str, dict[Decimal | None, int]] = {}
    dearest: dict[str, list[Dear]] = {}
    for kind, currency, amount, calls, unpriced, tenant, action, last_us in store.query(
        sql, [bounds, *parts.parameters]
    ).rows:
        if kind == _COUNT:
            counts.setdefault(currency, {})[amount] = calls
        else:
            one = Dear(
                tenant=tenant,
                action=action,
                currency=currency,
                calls=calls,
                unpriced=unpriced,
                amount=amount,
                last_us=last_us,
            )
            dearest.setdefault(currency, []).append(one)
    return {
        currency: ActionCosts(_buckets(counts.get(currency, {})), tuple(found))
        for currency, found in sorted(dearest.items())
    }


def _buckets(counts: Mapping[Decimal | None, int]) -> tuple[Bucket, ...]:
    """From the first that has any action to the last; what is below nothing is one."""
    ends = [*BOUNDS[1:], None]
    every = [Bucket(None, BOUNDS[0], counts.get(None, 0))]
    every += [Bucket(low, high, counts.get(low, 0)) for low, high in zip(BOUNDS, ends, strict=True)]
    used = [at for at, one in enumerate(every) if one.actions]
    return tuple(every[used[0] : used[-1] + 1]) if used else ()


class ActionCall(NamedTuple):
    """A call of an action, with what is known of it and what it comes to."""

    charge_id: str
    at_us: int
    tenant: str | None
    provider: str | None
    model: str | None
    feature: str | None
    service: str | None
    currency: str
    calls: int
    unpriced: int
    amount: Decimal


class Action(NamedTuple):
    """One action.

    Attributes:
        calls: in the order in which they ended; the first of them, where they are too many.
        more: how many there are beside these.
        sums: by currency the number of calls, of those without a price, and the amount: of all of them.
    """

    calls: tuple[ActionCall, ...]
    more: int
    sums: Mapping[str, tuple[int, int, Decimal]]


def action_calls(
    store: Queryable, action: str, selection: Selection, most: int, until_seq: int | None = None
) -> Action:
    """The calls of an action; none if there is none of that name.

    Args:
        store: what holds the entries.
        action: its value; of a call that belongs to none, its charge.
        selection: which calls.
        most: of its calls.
        until_seq: the last entry that counts.
    """
    parts = query_parts(_OF_A_CALL, selection, first=3)
    sql = _CALLS_SQL.format(**parts.sql, names=", ".join(_OF_A_CALL), most=most)
    rows = store.query(sql, [until_seq, action, *parts.parameters]).rows
    own = len(ActionCall._fields)
    sums = {row[own - 4]: tuple(row[own:]) for row in rows}
    return Action(
        tuple(ActionCall(*row[:own]) for row in rows),
        sum(found[0] for found in sums.values()) - len(rows),
        {
            currency: (calls, unpriced, amount)
            for currency, (_, calls, unpriced, amount) in sums.items()
        },
    )
