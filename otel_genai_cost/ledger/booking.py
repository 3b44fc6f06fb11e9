"""From a verdict and what is booked already to the entries that make up the difference. Pure.

The sums telescope: whatever was booked before, in whatever order observations came, the net of a charge's entries is
its latest verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from otel_genai_cost.ledger.contract import LIST_PRICES, BillableCall, Contracts, charged
from otel_genai_cost.ledger.entry import Entry, entry_id
from otel_genai_cost.ledger.verdict import Verdict
from otel_genai_cost.pricing.cost import Cost, Line, quality_of
from otel_genai_cost.pricing.money import split_largest_remainder
from otel_genai_cost.tenancy.attribution import Attribution

__all__ = ["Booked", "Called", "Position", "book", "by_contract", "net", "position_of", "positions"]

_LineKey = tuple[str, str, str, int, str | None]


class Position(NamedTuple):
    """What a charge comes to for one tenant: the keys it is booked under, and the sums. `bounds` (atto) are the least
    and the most that the call can cost at list prices, where its figure rests on a provider's default."""

    occurred_us: int
    attribution: Attribution
    service: str | None
    provider: str | None
    model: str | None
    operation: str | None
    currency: str
    reason: str | None
    quality: str
    book: str | None
    calls: int
    unpriced: int
    usage: Mapping[str, int]
    lines: tuple[Line, ...]
    contracts: str | None = None
    bounds: tuple[int, int] | None = None

    @property
    def amount(self) -> int:
        """Atto: the sum of the lines."""
        return sum(line.amount for line in self.lines)

    @property
    def key(self) -> tuple[object, ...]:
        """What an entry is filed under; if any of it changes, the old net is reversed in full. Everything that reports
        group by is in it: a difference under another name than the call's would be money of no call."""
        return repr(self.attribution), *self.filed

    @property
    def filed(self) -> tuple[object, ...]:
        """The key but for the attribution, which is slow to spell."""
        return (
            self.occurred_us,
            self.service,
            self.provider,
            self.model,
            self.operation,
            self.currency,
            self.reason,
            self.quality,
        )


class Booked(NamedTuple):
    """The net of a charge's entries so far: one position for each share, and the latest revision."""

    revision: int
    positions: tuple[Position, ...]


def positions(
    verdict: Verdict,
    occurred_us: int | None = None,
    contracts: Contracts = LIST_PRICES,
    booked_for: Sequence[Attribution] | None = None,
) -> tuple[Position, ...]:
    """What a verdict comes to, each tenant by its contracts. A charge that is booked keeps its time, and with
    `booked_for` whom it was for; nothing if the verdict is not shared by the same tenants."""
    one, cost = verdict.richest, verdict.cost
    whole = Position(
        verdict.occurred_us if occurred_us is None else occurred_us,
        _of_an_action(verdict),
        one.origin.service,
        one.reading.provider,
        one.reading.model_returned or one.reading.model_requested,
        one.reading.operation,
        cost.currency,
        cost.reason,
        quality_of(one.reading.usage, cost),
        cost.book,
        1,
        0 if cost.status == "priced" else 1,
        {leaf: n for leaf, n in one.reading.usage.leaves.items() if n},
        cost.lines,
        bounds=cost.bounds,
    )
    parts = _shares(whole) if verdict.attribution.shares else (whole,)
    if booked_for is not None:
        parts = _for(parts, booked_for)
    if not contracts.contracts:
        return parts
    reading = one.reading
    called = Called(
        reading.provider, reading.model_returned, reading.model_requested, reading.context
    )
    return tuple(by_contract(part, cost, called, contracts) for part in parts)


def _for(parts: tuple[Position, ...], booked_for: Sequence[Attribution]) -> tuple[Position, ...]:
    """The parts for whom they are booked: a charge's members may know less of that than wrappers above them did, which
    are members of no charge. Nothing if it is booked for others."""
    if len(parts) == len(booked_for) == 1:
        return (parts[0]._replace(attribution=booked_for[0]),)
    by_tenant = {one.tenant: one for one in booked_for}
    if len(by_tenant) != len(booked_for) or {one.attribution.tenant for one in parts} != {
        *by_tenant
    }:
        return ()
    return tuple(one._replace(attribution=by_tenant[one.attribution.tenant]) for one in parts)


class Called(NamedTuple):
    """What a span said that it called."""

    provider: str | None
    model_returned: str | None
    model_requested: str | None
    context: Mapping[str, Any]


def by_contract(position: Position, cost: Cost, called: Called, contracts: Contracts) -> Position:
    """The position with the lines of its tenant's contracts; `cost` knows the resolved names."""
    provider, _, model = (cost.model_resolved or "").casefold().partition("/")
    names = (called.model_returned, called.model_requested, model)
    call = BillableCall(
        position.occurred_us,
        position.attribution.tenant,
        position.attribution.labels,
        frozenset(filter(None, ((called.provider or "").casefold(), provider))),
        frozenset(name.casefold() for name in names if name),
        called.context,
    )
    found = charged(contracts, call, position.lines, position.currency)
    if not found.touched:
        return position
    return position._replace(
        lines=found.lines,
        currency=found.currency,
        reason=found.reason or position.reason,
        unpriced=1 if found.reason else position.unpriced,
        contracts=contracts.digest,
    )


def _of_an_action(verdict: Verdict) -> Attribution:
    """The attribution with the action it belongs to: what the customer did once, by default the trace."""
    labels = verdict.attribution.labels
    if "action" in labels:
        return verdict.attribution
    trace_id = verdict.members[0].observation.trace_id
    return verdict.attribution._replace(labels={**labels, "action": trace_id})


def _shares(whole: Position) -> tuple[Position, ...]:
    """Split one call over several tenants by largest remainder; the first share carries the counts."""
    tenants = [tenant for tenant, _ in whole.attribution.shares]
    weights = [weight for _, weight in whole.attribution.shares]
    usage = {leaf: split_largest_remainder(n, weights) for leaf, n in whole.usage.items()}
    amounts = [split_largest_remainder(line.amount, weights) for line in whole.lines]
    quantities = [split_largest_remainder(line.quantity, weights) for line in whole.lines]
    ends = [split_largest_remainder(end, weights) for end in whole.bounds or ()]
    return tuple(
        whole._replace(
            attribution=whole.attribution._replace(tenant=tenant, absent=None, shares=()),
            calls=whole.calls if n == 0 else 0,
            unpriced=whole.unpriced if n == 0 else 0,
            usage={leaf: parts[n] for leaf, parts in usage.items()},
            lines=tuple(
                line._replace(kind="share", quantity=quantities[at][n], amount=amounts[at][n])
                for at, line in enumerate(whole.lines)
            ),
            bounds=(ends[0][n], ends[1][n]) if ends else None,
        )
        for n, tenant in enumerate(tenants)
    )


def book(
    charge_id: str,
    wanted: tuple[Position, ...],
    booked: Booked | None,
    *,
    cause: str,
    cause_id: str | None,
    booked_us: int,
    flags: tuple[str, ...] = (),
) -> tuple[Entry, ...]:
    """The entries that take a charge from `booked` to `wanted`; none if nothing changed.

    Where a key changed, the old net is reversed under its old keys and the new one booked in full; else one entry has
    the difference. `seq` is 0 until the ledger gives it.
    """
    before = booked.positions if booked else ()
    if _is_same_key(before, wanted):
        olds = before if len(before) == 1 else _in_order_of(wanted, before)
        steps = [_minus(new, old) for new, old in zip(wanted, olds, strict=True)]
        steps = [step for step in steps if not _is_nothing(step)]
    else:
        steps = [_minus(_nothing(old), old) for old in before] + list(wanted)
    revision = 0 if booked is None else booked.revision + 1
    return tuple(
        _entry(charge_id, revision, place, step, cause, cause_id, booked_us, flags)
        for place, step in enumerate(steps)
    )


def _is_same_key(before: tuple[Position, ...], wanted: tuple[Position, ...]) -> bool:
    """Whether both are filed under the same keys; the usual case, one of each, spells no attribution out."""
    if len(before) != 1 or len(wanted) != 1:
        return {old.key for old in before} == {new.key for new in wanted}
    old, new = before[0], wanted[0]
    same = old.attribution is new.attribution or repr(old.attribution) == repr(new.attribution)
    return same and old.filed == new.filed


def _in_order_of(
    wanted: tuple[Position, ...], before: tuple[Position, ...]
) -> tuple[Position, ...]:
    by_key = {old.key: old for old in before}
    return tuple(by_key[new.key] for new in wanted)


def _nothing(position: Position) -> Position:
    return position._replace(calls=0, unpriced=0, usage={}, lines=())


def _is_nothing(position: Position) -> bool:
    return not (position.lines or position.usage or position.calls or position.unpriced)


def _minus(new: Position, old: Position) -> Position:
    """`new - old`, under the keys of `old` where `new` is nothing."""
    usage: dict[str, int] = {}
    if new.usage != old.usage:
        usage = {
            leaf: difference
            for leaf in dict.fromkeys((*new.usage, *old.usage))
            if (difference := new.usage.get(leaf, 0) - old.usage.get(leaf, 0))
        }
    return new._replace(
        calls=new.calls - old.calls,
        unpriced=new.unpriced - old.unpriced,
        usage=usage,
        lines=_line_differences(new.lines, old.lines),
    )


def _line_differences(new: tuple[Line, ...], old: tuple[Line, ...]) -> tuple[Line, ...]:
    """Lines of the same kind, leaf and rate cancel out; what is left re-adds to the difference of the sums."""
    if new == old:
        return ()
    sums: dict[_LineKey, tuple[int, int, Line]] = {}
    for sign, lines in ((1, new), (-1, old)):
        for line in lines:
            kind, leaf, quantity, rate, amount, contract = line
            key = (kind, leaf, rate.unit_price, rate.per, contract)
            known = sums.get(key)
            if known is None:
                sums[key] = (sign * quantity, sign * amount, line)
            else:
                sums[key] = (known[0] + sign * quantity, known[1] + sign * amount, line)
    return tuple(
        Line(line.kind, line.leaf, quantity, line.rate, amount, line.contract)
        for quantity, amount, line in sums.values()
        if quantity or amount
    )


def net(entries: Iterable[Entry]) -> Booked | None:
    """The net of one charge's entries, in the order they were booked."""
    entries = tuple(entries)
    if len(entries) == 1 and entries[0].cause != "reconciled":
        only = position_of(entries[0])
        return Booked(entries[0].revision, () if _is_nothing(only) else (only,))
    revision = -1
    sums: dict[tuple[object, ...], Position] = {}
    for entry in entries:
        if entry.cause == "reconciled":
            continue
        revision = max(revision, entry.revision)
        step = position_of(entry)
        known = sums.get(step.key)
        sums[step.key] = step if known is None else _minus(step, _negative(known))
    left = tuple(position for position in sums.values() if not _is_nothing(position))
    return None if revision < 0 else Booked(revision, left)


def _negative(position: Position) -> Position:
    return position._replace(
        calls=-position.calls,
        unpriced=-position.unpriced,
        usage={leaf: -n for leaf, n in position.usage.items()},
        lines=tuple(
            line._replace(quantity=-line.quantity, amount=-line.amount) for line in position.lines
        ),
    )


def position_of(entry: Entry) -> Position:
    """What one entry books."""
    return Position(
        entry.occurred_us,
        entry.attribution,
        entry.service,
        entry.provider,
        entry.model,
        entry.operation,
        entry.currency,
        entry.reason,
        entry.quality,
        entry.book,
        entry.calls,
        entry.unpriced,
        entry.usage,
        entry.lines,
        entry.contracts,
        entry.bounds,
    )


def _entry(
    charge_id: str,
    revision: int,
    place: int,
    step: Position,
    cause: str,
    cause_id: str | None,
    booked_us: int,
    flags: tuple[str, ...],
) -> Entry:
    return Entry(
        0,
        entry_id(charge_id, revision, place),
        charge_id,
        revision,
        cause,
        cause_id,
        step.occurred_us,
        booked_us,
        step.attribution,
        step.service,
        step.provider,
        step.model,
        step.operation,
        step.reason,
        step.quality,
        step.calls,
        step.unpriced,
        step.usage,
        step.lines,
        step.amount,
        step.currency,
        step.book,
        flags,
        step.contracts,
        step.bounds,
    )
