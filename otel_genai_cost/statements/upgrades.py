"""Who uses more of what is included than is fair, in the month at hand: an upgrade to be talked about, with evidence.
Nothing is blocked by it, and nothing is charged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import Entry, tokens_of
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.limits.notice import Notice
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import divide_half_even, format_money
from otel_genai_cost.reports.margin.conversion import FINE, Conversion
from otel_genai_cost.statements.charging import plan_at
from otel_genai_cost.statements.fair_use import FairUse
from otel_genai_cost.statements.periods import Calendar, Period, Zones, whole_us
from otel_genai_cost.statements.plans import BilledPeriod, Plan, PricedLine, billed

__all__ = ["FairUseOf", "fair_uses", "upgrade_notices", "use_record"]

_MONTH: Final = Calendar("monthly")
_REACH_US: Final = 34 * 86_400_000_000
"""Longer than any month is on either side of an instant."""

_FEATURES_MAX: Final = 3


@dataclass
class _Used:
    """What a tenant's calls of a month come to: cost and price in 1e-36 of its plan's currency."""

    cost: int = 0
    price: int = 0
    calls: int = 0
    tokens: int = 0
    is_known: bool = True
    features: dict[str, int] = field(default_factory=dict[str, int])


class FairUseOf(NamedTuple):
    """How a tenant's month compares with what is fair.

    Attributes:
        tenant: whose.
        plan: that of the beginning of the month; where there was none, that of now.
        period: the month, in the tenant's zone.
        fair: the comparison.
        calls: so far.
        features: the dearest, and what they cost, in atto.
    """

    tenant: str
    plan: Plan
    period: Period
    fair: FairUse
    calls: int
    features: tuple[tuple[str, int], ...]


def fair_uses(
    ledger: Ledger, plans: Sequence[Plan], directory: Directory, contracts: Contracts, at_us: int
) -> list[FairUseOf]:
    """Every tenant with calls in a month and a plan with a rule of fair use, those who cross it first.

    Args:
        ledger: is only read.
        plans: all that there are.
        directory: who the tenants are, and which plan each has.
        contracts: where exchange rates stand.
        at_us: an instant of the month, unix microseconds; what occurred after it does not count.
    """
    ruled = [plan for plan in plans if plan.fair_use is not None]
    if not ruled:
        return []
    gathered = _Gathering(plans, directory, contracts, at_us)
    for entry in ledger.entries.between(at_us - _REACH_US, at_us + 1):
        gathered.add(entry)
    found = [one for tenant in gathered.used if (one := gathered.compared(tenant)) is not None]
    return sorted(found, key=lambda one: (not one.fair.is_crossed, one.plan.id, one.tenant))


class _Gathering:
    """Sums of the month, by tenant."""

    def __init__(
        self, plans: Sequence[Plan], directory: Directory, contracts: Contracts, at_us: int
    ) -> None:
        self._plans, self._directory, self._contracts = plans, directory, contracts
        self._zones, self._at_us = Zones(directory), at_us
        self._conversions: dict[str, Conversion] = {}
        self._terms: dict[str, tuple[Period, Plan | None]] = {}
        self.used: dict[str, _Used] = {}

    def add(self, entry: Entry) -> None:
        name = entry.attribution.tenant
        piece = self._directory.at(name, entry.occurred_us)
        tenant = name if piece is None else piece.row.tenant
        if tenant is None:
            return
        period, plan = self._term(tenant)
        if plan is None or not period.from_us <= entry.occurred_us < period.to_us:
            return
        self._count(self.used.setdefault(tenant, _Used()), entry, plan)

    def _term(self, tenant: str) -> tuple[Period, Plan | None]:
        known = self._terms.get(tenant)
        if known is None:
            period = self._zones.period(tenant, _MONTH, self._at_us)
            found = (
                plan_at(self._plans, self._directory, tenant, us)
                for us in (period.from_us, self._at_us)
            )
            plan = next((plan for plan in found if plan is not None), None)
            known = self._terms[tenant] = period, plan
        return known

    def _count(self, used: _Used, entry: Entry, plan: Plan) -> None:
        conversion = self._conversions.get(plan.currency)
        if conversion is None:
            conversion = Conversion(self._contracts, plan.currency)
            self._conversions[plan.currency] = conversion
        cost = conversion.fine(entry.amount, entry.currency, entry.occurred_us)
        price = conversion.fine(entry.price, entry.price_currency, entry.occurred_us)
        used.is_known = used.is_known and cost is not None and price is not None
        used.cost += cost or 0
        used.price += price or 0
        used.calls += entry.calls
        used.tokens += sum(tokens_of(entry))
        feature = entry.attribution.labels.get("feature") or "-"
        used.features[feature] = used.features.get(feature, 0) + (cost or 0)

    def compared(self, tenant: str) -> FairUseOf | None:
        """None where the tenant's plan has no such rule, or the cost is not known in its currency."""
        (period, plan), used = self._term(tenant), self.used[tenant]
        if plan is None or not used.is_known:
            return None
        peers = [
            divide_half_even(other.cost, FINE)
            for name, other in self.used.items()
            if other.is_known and self._term(name)[1] is plan
        ]
        price = divide_half_even(used.price, FINE)
        month = BilledPeriod(
            tenant=tenant,
            from_us=period.from_us,
            to_us=period.to_us,
            lines=(PricedLine("AI", used.calls, "calls", price),),
            calls=used.calls,
            tokens=used.tokens,
            cost=divide_half_even(used.cost, FINE),
            peers=tuple(peers),
            whole_us=whole_us(_MONTH, period),
        )
        fair = billed(plan, month).fair_use
        if fair is None:
            return None
        dearest = sorted(used.features.items(), key=lambda one: (-one[1], one[0]))[:_FEATURES_MAX]
        features = tuple((name, divide_half_even(cost, FINE)) for name, cost in dearest)
        return FairUseOf(tenant, plan, period, fair, used.calls, features)


def use_record(one: FairUseOf) -> dict[str, Any]:
    """A comparison as JSON."""
    fair = one.fair
    return {
        "tenant": one.tenant,
        "plan": one.plan.id,
        "period_from": rfc3339(one.period.from_us),
        "period_to": rfc3339(one.period.to_us),
        "zone": one.period.zone,
        "rule": fair.rule,
        "limit": None if fair.limit is None else format_money(fair.limit),
        "used": format_money(fair.used),
        "currency": one.plan.currency,
        "crossed": fair.is_crossed,
        "peers": fair.peers,
        "calls": one.calls,
        "features": [{"feature": name, "cost": format_money(cost)} for name, cost in one.features],
    }


def upgrade_notices(found: Iterable[FairUseOf], at_us: int) -> list[Notice]:
    """What the team is to be informed of: once for a tenant, a plan and a month.

    Args:
        found: comparisons; those that are fair are passed over.
        at_us: when that was seen, unix microseconds.
    """
    return [_notice(one, at_us) for one in found if one.fair.is_crossed]


def _notice(one: FairUseOf, at_us: int) -> Notice:
    """To the team alone: it speaks of cost."""
    record = use_record(one)
    features = ", ".join(f"{each['feature']} {each['cost']}" for each in record["features"])
    facts: Mapping[str, Any] = {
        "scope": f"tenant={one.tenant}",
        "plan": one.plan.id,
        "rule": one.fair.rule,
        "observed": record["used"],
        "expected": record["limit"],
        "currency": one.plan.currency,
        "side": "cost",
        "period_from_us": one.period.from_us,
        "period_to_us": one.period.to_us,
        "zone": one.period.zone,
        "calls": one.calls,
        "peers": one.fair.peers,
        "features": features,
    }
    key = f"upgrade|{one.plan.id}|{one.tenant}|{one.period.from_us}"
    return Notice("upgrade", key, one.tenant, "team", at_us, facts)
