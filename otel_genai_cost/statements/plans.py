"""Pricing models: what a plan makes of the calls of a period. Pure; every amount is exact at 1e-18, and the lines are
the total, which nothing else rounds.

A plan looks at all that counts for a period so far: tiers, allowances and minimums are no sums of what each entry comes
to. So a revision of a statement is the difference between two results, line by line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, get_args

from otel_genai_cost.pricing.money import ATTO, divide_half_even
from otel_genai_cost.statements.fair_use import FairUse, FairUseRule, fair_use
from otel_genai_cost.statements.tiers import Measure, Tiers, tier_parts

__all__ = [
    "PLAN_KINDS",
    "Allowance",
    "Billed",
    "BilledPeriod",
    "Overage",
    "Plan",
    "PlanKind",
    "PlanLine",
    "PricedLine",
    "SeatCount",
    "billed",
    "plan_for",
]

PlanKind = Literal["usage", "seat", "flat", "credit"]
"""`usage`: calls are paid for as they come; `seat` and `flat`: they are included, up to an allowance; `credit`: they
burn what was paid before."""

PLAN_KINDS: Final[tuple[PlanKind, ...]] = get_args(PlanKind)

_INCLUDED: Final = "AI included"


class Allowance(NamedTuple):
    """What is included: an amount of money (atto of price), of tokens or of calls; for each seat, or for all."""

    of: Measure
    amount: int
    per_seat: bool = False


class Overage(NamedTuple):
    """What is paid beyond the allowance: of money the price with a mark-up (units of 1e-18), else atto for `per`
    units."""

    price: int
    per: int = 1


class SeatCount(NamedTuple):
    """How many seats a tenant has in [from, to), unix microseconds; None is for ever."""

    tenant: str
    seats: int
    from_us: int
    to_us: int | None = None


class Plan(NamedTuple):
    """A plan in [from, to). Money is atto of its currency, times are unix microseconds.

    Attributes:
        id: its name, as in the registry's column `plan`.
        kind: of `PLAN_KINDS`.
        currency: of all its amounts.
        from_us, to_us: when it holds; None is for ever.
        tenants: of whom, in place of those whose plan the registry says it is.
        markup: on what calls come to, in units of 1e-18.
        minimum: what a whole period comes to at least.
        tiers: in place of what calls come to.
        fee: of a period, for each seat or for all.
        seats: how many, of whom, and when.
        allowance: what the fee includes; None for everything.
        overage: what more costs; None for nothing.
        fair_use: beyond what an upgrade is talked about.
    """

    id: str
    kind: PlanKind
    currency: str
    from_us: int
    to_us: int | None = None
    tenants: frozenset[str] = frozenset()
    markup: int = 0
    minimum: int = 0
    tiers: Tiers | None = None
    fee: int = 0
    seats: tuple[SeatCount, ...] = ()
    allowance: Allowance | None = None
    overage: Overage | None = None
    fair_use: FairUseRule | None = None


class PricedLine(NamedTuple):
    """What calls of a period come to for one product: the price of the contracts, atto of the plan's currency."""

    product: str
    quantity: int
    unit: str
    price: int


class BilledPeriod(NamedTuple):
    """What a plan is asked about.

    Attributes:
        tenant: whose period it is.
        from_us, to_us: unix microseconds, half-open.
        lines: of all calls that count so far.
        calls: how many.
        tokens: in and out.
        cost: what they cost us, atto of the plan's currency; None where there is no exchange rate.
        burnt: what of their price was paid by credit, atto.
        peers: what the calls of each tenant of the plan cost in the period, this one's among them; of use for the
            95th percentile alone.
        whole_us: how long it were if the tenant's zone did not change within, microseconds; 0 if it does not.
    """

    tenant: str
    from_us: int
    to_us: int
    lines: tuple[PricedLine, ...]
    calls: int
    tokens: int
    cost: int | None = None
    burnt: int = 0
    peers: tuple[int, ...] = ()
    whole_us: int = 0

    @property
    def paid_us(self) -> int:
        """The time that fees, minimums and allowances of a plan are for, microseconds."""
        return self.whole_us or self.to_us - self.from_us

    @property
    def price(self) -> int:
        """What the calls come to before any plan."""
        return sum(line.price for line in self.lines)


class PlanLine(NamedTuple):
    """A line of what is charged; exact, in atto."""

    product: str
    quantity: int
    unit: str
    amount: int


class Billed(NamedTuple):
    """What a plan comes to.

    Attributes:
        lines: of which the sum is the total.
        fair_use: where the plan has such a rule and the cost is known.
    """

    lines: tuple[PlanLine, ...]
    fair_use: FairUse | None = None

    @property
    def total(self) -> int:
        """Atto, exact."""
        return sum(line.amount for line in self.lines)


def plan_for(plans: Iterable[Plan], tenant: str, named: str | None, at_us: int) -> Plan | None:
    """The plan of a tenant at a time: one that names it, else the one that the registry says; None if there is none.

    Args:
        plans: all, in any order.
        tenant: its id.
        named: the registry's plan of it at that time; None where it says none.
        at_us: unix microseconds.
    """
    begun = [
        one for one in plans if one.from_us <= at_us and (one.to_us is None or at_us < one.to_us)
    ]
    own = [one for one in begun if tenant in one.tenants]
    found = own or [one for one in begun if one.id == named and not one.tenants]
    return max(found, key=lambda one: one.from_us) if found else None


def billed(plan: Plan, period: BilledPeriod) -> Billed:
    """What a period comes to by a plan.

    Args:
        plan: that of the tenant at the beginning of the period.
        period: all that counts of it so far.

    Returns:
        Lines that sum to the total exactly. Fees and minimums are pro rata of the time that the plan holds in the
        period, by the microsecond; seats of the time that each count of them holds.
    """
    lines = {"usage": _usage, "credit": _credit, "seat": _included, "flat": _included}[plan.kind]
    found = tuple(lines(plan, period))
    if plan.fair_use is None or period.cost is None:
        return Billed(found)
    paid = sum(line.amount for line in found)
    return Billed(found, fair_use(plan.fair_use, period.cost, paid, period.peers))


def _usage(plan: Plan, period: BilledPeriod) -> Iterator[PlanLine]:
    lines = list(_of_calls(plan, period))
    yield from lines
    missing = _pro_rata(plan.minimum, plan, period) - sum(line.amount for line in lines)
    if plan.minimum and missing > 0:
        yield PlanLine("up to the minimum", 1, "period", missing)


def _of_calls(plan: Plan, period: BilledPeriod) -> Iterator[PlanLine]:
    """What calls come to, with mark-up or by tier."""
    tiers = plan.tiers
    if tiers is None:
        yield from _marked_up(period.lines, plan.markup)
        return
    quantity = {"tokens": period.tokens, "calls": period.calls, "money": period.price}[tiers.of]
    for part in tier_parts(tiers, quantity):
        is_money = tiers.of == "money"
        what = f"AI usage, tier {part.step + 1}"
        unit = "calls" if is_money else tiers.of
        yield PlanLine(what, period.calls if is_money else part.quantity, unit, part.amount)


def _marked_up(lines: Sequence[PricedLine], markup: int) -> Iterator[PlanLine]:
    """Each line with its mark-up. What the mark-up of all comes to is rounded once: each line has what it adds to the
    sum of those before it."""
    so_far = added = 0
    for line in lines:
        so_far += line.price
        until = divide_half_even(so_far * markup, ATTO)
        yield PlanLine(line.product, line.quantity, line.unit, line.price + until - added)
        added = until


def _credit(plan: Plan, period: BilledPeriod) -> Iterator[PlanLine]:
    """Calls at their price, and what credit paid of it; a minimum is of both together."""
    yield from _usage(plan, period)
    if period.burnt:
        yield PlanLine("paid by credit", 1, "period", -period.burnt)


def _included(plan: Plan, period: BilledPeriod) -> Iterator[PlanLine]:
    seats = list(_seats(plan, period)) if plan.kind == "seat" else []
    if plan.kind == "flat":
        yield PlanLine(plan.id, 1, "period", _pro_rata(plan.fee, plan, period))
    yield from (line for line, _ in seats)
    yield PlanLine(_INCLUDED, period.calls, "calls", 0)
    allowance, overage = plan.allowance, plan.overage
    if allowance is None or overage is None:
        return
    length = period.to_us - period.from_us
    weight = sum(weight for _, weight in seats) if allowance.per_seat else length
    included = divide_half_even(allowance.amount * weight, period.paid_us)
    used = {"money": period.price, "tokens": period.tokens, "calls": period.calls}[allowance.of]
    if used > included:
        yield _overage(allowance, overage, used - included, period)


def _overage(allowance: Allowance, overage: Overage, beyond: int, period: BilledPeriod) -> PlanLine:
    if allowance.of == "money":
        amount = beyond + divide_half_even(beyond * overage.price, ATTO)
        return PlanLine("AI beyond the allowance", period.calls, "calls", amount)
    amount = divide_half_even(beyond * overage.price, overage.per)
    return PlanLine("AI beyond the allowance", beyond, allowance.of, amount)


def _seats(plan: Plan, period: BilledPeriod) -> Iterator[tuple[PlanLine, int]]:
    """A line for each count of seats that holds in the period, and its seats by microseconds."""
    for one in plan.seats:
        if one.tenant != period.tenant:
            continue
        from_us, to_us = _within(plan, period)
        from_us = max(from_us, one.from_us)
        to_us = to_us if one.to_us is None else min(to_us, one.to_us)
        if from_us < to_us:
            weight = one.seats * (to_us - from_us)
            amount = divide_half_even(plan.fee * weight, period.paid_us)
            yield PlanLine(f"{plan.id}, seats", one.seats, "seats", amount), weight


def _within(plan: Plan, period: BilledPeriod) -> tuple[int, int]:
    """The time of the period in which the plan holds."""
    to_us = period.to_us if plan.to_us is None else min(plan.to_us, period.to_us)
    return max(plan.from_us, period.from_us), to_us


def _pro_rata(amount: int, plan: Plan, period: BilledPeriod) -> int:
    from_us, to_us = _within(plan, period)
    return divide_half_even(amount * max(to_us - from_us, 0), period.paid_us)
