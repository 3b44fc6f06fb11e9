"""What a verdict comes to: the positions of a charge, one for each tenant it is shared by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, BillableCall, Contracts, charged
from otel_genai_cost.ledger.settlement.verdict import Verdict
from otel_genai_cost.pricing.cost import Cost, Line, cost_of, price_of, quality_of
from otel_genai_cost.pricing.money import split_largest_remainder
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.read import Reading
from otel_genai_cost.vocabulary import Quality, Reason
from otel_genai_cost.wide_rows import wide_row

__all__ = ["Position", "positions"]


class Position(NamedTuple):
    """What a charge comes to for one tenant.

    Attributes:
        occurred_us: when the call ended, unix microseconds, UTC.
        attribution: for whom.
        service, provider, model, operation: what was called, and by which service.
        currency: of the cost, ISO 4217 code or a unit of one's own.
        reason: why it is not priced in full; None if it is.
        quality: how far its figure is to be trusted.
        book: the sha256 of the price book.
        calls, unpriced: counts; of a charge that is shared, the first share carries them.
        usage: by leaf.
        lines: what it comes to.
        contracts: the sha256 of the contracts that the lines follow; None where only the list price counts.
        bounds: atto; the least and the most that it can be at list prices, where its figure rests on a provider's
            default.
        billed_in: the currency of the price, where it is another than that of the cost.
    """

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
    billed_in: str | None = None

    @property
    def amount(self) -> int:
        """Atto: the cost, the sum of the lines of that side."""
        return cost_of(self.lines)

    @property
    def price(self) -> int:
        """Atto: what the customer pays, the sum of all lines, or, in another currency, of those of the price."""
        return price_of(self.lines, self.amount, self.billed_in)

    @property
    def price_currency(self) -> str:
        """The currency of the price."""
        return self.billed_in or self.currency

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
            self.billed_in,
            self.reason,
            self.quality,
        )


def positions(
    verdict: Verdict,
    occurred_us: int | None = None,
    contracts: Contracts = LIST_PRICES,
    booked_for: Sequence[Attribution] | None = None,
) -> tuple[Position, ...]:
    """What a verdict comes to, each tenant by its contracts.

    Args:
        verdict: what settlement found.
        occurred_us: the time of a charge that is booked, which it keeps; None for the verdict's.
        contracts: what customers agreed.
        booked_for: whom a charge that is booked was for, which it keeps; None for whom the verdict says.

    Returns:
        A position for each tenant that shares the charge; none if those of `booked_for` share it in a way that the
        verdict does not know.
    """
    whole = _whole(verdict, occurred_us)
    parts = _shares(whole) if verdict.attribution.shares else (whole,)
    if booked_for is not None:
        parts = _for(parts, booked_for)
    if not contracts.contracts:
        return parts
    reading = verdict.richest.reading
    return tuple(_by_contract(part, verdict.cost, reading, contracts) for part in parts)


def _whole(verdict: Verdict, occurred_us: int | None) -> Position:
    """The call as if one tenant paid for all of it; the fields by their place, since one is made for every call."""
    one, cost = verdict.richest, verdict.cost
    reading = one.reading
    usage, row = reading.usage, cost.row
    return cast(
        "Position",
        wide_row(
            Position,
            (
                verdict.occurred_us if occurred_us is None else occurred_us,
                _of_an_action(verdict),
                one.origin.service,
                reading.provider,
                reading.model_returned or reading.model_requested,
                reading.operation,
                row.currency,
                cost.reason,
                quality_of(usage, cost),
                row.book,
                1,
                0 if cost.status == "priced" else 1,
                {leaf: n for leaf, n in usage.leaves.items() if n},
                cost.lines,
                None,
                cost.bounds,
                None,
            ),
        ),
    )


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


def _by_contract(
    position: Position, cost: Cost, reading: Reading, contracts: Contracts
) -> Position:
    """The position with the lines of its tenant's contracts; `cost` knows the resolved names."""
    provider, _, model = (cost.model_resolved or "").casefold().partition("/")
    names = (reading.model_returned, reading.model_requested, model)
    call = BillableCall(
        at_us=position.occurred_us,
        tenant=position.attribution.tenant,
        labels=position.attribution.labels,
        providers=frozenset(filter(None, ((reading.provider or "").casefold(), provider))),
        models=frozenset(name.casefold() for name in names if name),
        context=reading.context,
    )
    found = charged(contracts, call, position.lines, position.currency)
    if not found.touched:
        return position
    return position._replace(
        lines=found.lines,
        currency=found.currency,
        billed_in=found.billed_in,
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
    tenant, source, absent, initiator, _, shares = verdict.attribution
    return Attribution(tenant, source, absent, initiator, {**labels, "action": trace_id}, shares)


def _shares(whole: Position) -> tuple[Position, ...]:
    """Split one call over several tenants by largest remainder; the first share carries the counts. One that is named
    twice has one share: what is posted is told apart by its tenant."""
    by_tenant: dict[str, int] = {}
    for tenant, weight in whole.attribution.shares:
        by_tenant[tenant] = by_tenant.get(tenant, 0) + weight
    tenants, weights = [*by_tenant], [*by_tenant.values()]
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
