"""What makes the books say what a final bill says: `reconciled` entries, one for each cell that differs. Pure.

An entry's charge is the cell, so that posting again posts the difference to what was posted: nothing, if nothing
changed. They are nobody's, since no call is behind them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timezone, tzinfo
from hashlib import blake2b
from typing import Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry, entry_id
from otel_genai_cost.pricing.cost import Line, rate_of
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reconciliation.bill import Cell
from otel_genai_cost.reconciliation.reconcile import Reconciled
from otel_genai_cost.tenancy.attribution import Attribution

__all__ = ["TrueUp", "charge_of", "true_up_entries", "true_ups"]

_LEAF: Final = "reconciled"
_NOBODYS: Final = Attribution()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class TrueUp(NamedTuple):
    """What a bill differs by from the calls of a cell, in atto; None while it may change: what is posted stays. `bill`
    is the digest of the bill that the cell came with."""

    cell: Cell
    amount: int | None
    bill: str


def charge_of(provider: str, cell: Cell) -> str:
    """The id under which a cell's true-up is posted: 32 hex digits that follow from what it is about.

    Args:
        provider: as its bills are kept.
        cell: of the bill.
    """
    key = json.dumps([_LEAF, provider, *cell]).encode()
    return blake2b(key, digest_size=16).hexdigest()


def true_ups(found: Iterable[Reconciled], digests: Mapping[Cell, str]) -> list[TrueUp]:
    """What is to be posted of each cell: what is explained, if it is final.

    Args:
        found: every cell of a bill and of the ledger.
        digests: of the bill that each cell came with.
    """
    every = list(found)
    final = all(one.pair.theirs.final for one in every if one.pair.theirs is not None)
    return [
        TrueUp(one.pair.cell, _difference(one, final), digests.get(one.pair.cell, ""))
        for one in every
    ]


def _difference(one: Reconciled, final: bool) -> int | None:
    """What is billed beyond the calls; what is not billed at all is so once all of the bill is final."""
    theirs = one.pair.theirs
    if one.split.theirs is None or not (final if theirs is None else theirs.final):
        return None
    return one.split.theirs - one.pair.ours.amount - one.split.unexplained


def true_up_entries(
    provider: str,
    booked_as: str | None,
    wanted: Iterable[TrueUp],
    posted: Mapping[str, Sequence[Entry]],
    now_us: int,
    zone: tzinfo,
) -> list[Entry]:
    """The entries that lead from what is posted to what is wanted.

    Args:
        provider: as its bills are kept.
        booked_as: the provider that entries name.
        wanted: of every cell of these days.
        posted: the entries of true-ups of the same days, by charge.
        now_us: the time of posting, unix microseconds.
        zone: whose days the cells are of.
    """
    entries = list[Entry]()
    left = dict(posted)
    for one in wanted:
        charge_id = charge_of(provider, one.cell)
        before = left.pop(charge_id, ())
        if one.amount is None:
            continue
        if missing := one.amount - sum(entry.amount for entry in before):
            entries.append(_entry(one, charge_id, booked_as, missing, len(before), now_us, zone))
    for charge_id, before in left.items():
        if total := sum(entry.amount for entry in before):
            entries.append(_again(before[-1], -total, len(before), now_us))
    return entries


def _entry(
    one: TrueUp,
    charge_id: str,
    booked_as: str | None,
    amount: int,
    revision: int,
    now_us: int,
    zone: tzinfo,
) -> Entry:
    return Entry(
        seq=0,
        id=entry_id(charge_id, revision, 0),
        charge_id=charge_id,
        revision=revision,
        cause="reconciled",
        cause_id=one.bill[:64] or None,
        occurred_us=_noon_us(one.cell.day, zone),
        booked_us=now_us,
        attribution=_NOBODYS,
        service=None,
        provider=booked_as,
        model=one.cell.model,
        operation=None,
        reason=None,
        quality="reported",
        calls=0,
        unpriced=0,
        usage={},
        lines=(_line(amount),),
        amount=amount,
        currency=one.cell.currency,
        book=None,
    )


def _again(last: Entry, amount: int, revision: int, now_us: int) -> Entry:
    """Of a cell that the bill has no more."""
    return last._replace(
        seq=0,
        id=entry_id(last.charge_id, revision, 0),
        revision=revision,
        booked_us=now_us,
        lines=(_line(amount),),
        amount=amount,
    )


def _line(amount: int) -> Line:
    return Line("provider", _LEAF, 1, rate_of(format_money(amount), 1), amount)


def _noon_us(day: str, zone: tzinfo) -> int:
    """The middle of a day, which is in it by every clock near the provider's."""
    noon = datetime.combine(date.fromisoformat(day), time(12), tzinfo=zone)
    return int((noon.astimezone(timezone.utc) - _EPOCH).total_seconds()) * 1_000_000
