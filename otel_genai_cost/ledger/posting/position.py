"""What a verdict comes to: the positions of a charge, one for each tenant it is shared by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, BillableCall, Contracts, charged
from otel_genai_cost.ledger.settlement.verdict import Verdict
from otel_genai_cost.pricing.cost import Cost, Line, quality_of
from otel_genai_cost.pricing.money import split_largest_remainder
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.vocabulary import Quality, Reason

__all__ = ["Called", "Position", "by_contract", "positions"]


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
    reason: Reason | None
    quality: Quality
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
