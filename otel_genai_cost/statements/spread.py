"""What is nobody's, spread over the tenants of the same period by a rule that every statement of it names. Pure.

What tenants bear is taken off the statements of what is nobody's, so that all statements still add up to the entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple, TypeAlias

from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.reports.margin.spreading import MONEY_RULES, SpreadRule, shares, weight, within
from otel_genai_cost.statements.gather import Series, Sums
from otel_genai_cost.statements.revise import Part
from otel_genai_cost.statements.statement import SPREAD_UNIT, Spread, StatementLine, Whose

__all__ = ["Charges", "Rules", "spread"]

Rules: TypeAlias = Mapping[date, SpreadRule]
"""By which rule the periods that begin with a day are spread; those that are not are not in it."""

_WORDS: Final[Mapping[Whose, str]] = {
    "unattributed": "Unattributed use",
    "system": "Shared use of the platform",
}


class Charges(NamedTuple):
    """What a series comes to by itself: sums of its entries, and what they are charged as."""

    sums: Sums
    lines: Sequence[StatementLine]

    @property
    def price(self) -> int:
        """Atto; exact, of all lines."""
        return sum(line.exact for line in self.lines)


_Pool: TypeAlias = dict[Series, Charges]


def spread(rules: Rules, charges: Mapping[Series, Charges]) -> dict[Series, Part]:
    """The part of each series whose period is spread. What is priced in one currency is borne by what is priced in it:
    currencies are never added.

    Args:
        rules: by period.
        charges: of every series of these periods, all of one calendar and scope.
    """
    pools: dict[tuple[date, str, str], _Pool] = {}
    closes: dict[date, int] = {}
    paid_in: dict[date, set[str]] = {}
    for series, own in charges.items():
        day = series.period.first_day
        if day in rules:
            key = (day, series.currency, series.cost_currency)
            pools.setdefault(key, {})[series] = own
            closes[day] = max(closes.get(day, 0), series.period.to_us)
            if _is_bearer(series, own):
                paid_in.setdefault(day, set()).add(series.currency)
    found: dict[Series, Part] = {}
    for (day, currency, _), pool in pools.items():
        elsewhere = sorted(paid_in.get(day, set()) - {currency})
        found.update(_Spreading(rules[day], pool, closes[day], elsewhere).parts())
    return found


def _is_bearer(series: Series, own: Charges) -> bool:
    """Whether it is a tenant's that would bear something."""
    return series.tenant is not None and bool(own.sums.calls or own.lines)


class _Spreading:
    """Of one period and currency.

    Args:
        rule: by which.
        pool: every series.
        closes_us: when the last of their periods is over.
        elsewhere: other currencies, in which tenants bear nothing of it.
    """

    def __init__(
        self, rule: SpreadRule, pool: _Pool, closes_us: int, elsewhere: Sequence[str]
    ) -> None:
        self._rule: SpreadRule = rule
        self._pool = pool
        self._closes_us, self._elsewhere = closes_us, elsewhere
        self._bearers: dict[str, list[Series]] = {}
        for series in sorted(pool, key=repr):
            if series.tenant is not None and _is_bearer(series, pool[series]):
                self._bearers.setdefault(series.tenant, []).append(series)
        self._weights = {tenant: self._weight(each) for tenant, each in self._bearers.items()}
        self._of = sum(self._weights.values())
        self._ratios = self._divided(ATTO)
        self._unpriced = sum(
            pool[series].sums.unpriced for each in self._bearers.values() for series in each
        )

    def _weight(self, of_tenant: Sequence[Series]) -> int:
        own = [self._pool[series] for series in of_tenant]
        found = weight(
            self._rule,
            cost=sum(one.sums.cost for one in own),
            calls=sum(one.sums.calls for one in own),
            revenue=sum(one.price for one in own),
        )
        return max(found, 0)

    def _divided(self, total: int) -> dict[Series, int]:
        """A total, by tenant, and that of a tenant over its series."""
        found: dict[Series, int] = {}
        for tenant, part in shares(total, self._weights).items():
            each = self._bearers[tenant]
            sums = [self._pool[series].sums for series in each]
            own = within(part, [one.cost for one in sums], [one.calls for one in sums])
            found.update(zip(each, own, strict=True))
        return found

    def parts(self) -> dict[Series, Part]:
        """Of every series."""
        lines: dict[Series, list[StatementLine]] = {series: [] for series in self._pool}
        for whose in _WORDS if self._ratios else ():
            self._spread(whose, lines)
        return {
            series: Part(
                tuple(found),
                Spread(
                    self._rule,
                    self._weights.get(series.tenant or "", 0) if series in self._ratios else 0,
                    self._of,
                    self._ratios.get(series, 0),
                ),
                self._closes_us,
                tuple(self._remarks(series)),
            )
            for series, found in lines.items()
        }

    def _spread(self, whose: Whose, lines: dict[Series, list[StatementLine]]) -> None:
        nobodys = {series: own for series, own in self._pool.items() if series.whose == whose}
        prices = self._divided(sum(own.price for own in nobodys.values()))
        costs = self._divided(sum(own.sums.cost for own in nobodys.values()))
        words = f"{_WORDS[whose]}, spread by {self._rule}"
        for series in prices:
            if prices[series] or costs[series]:
                lines[series].append(_line(words, prices[series], costs[series]))
        for series, own in nobodys.items():
            if own.price or own.sums.cost:
                words = f"Spread over tenants by {self._rule}"
                lines[series].append(_line(words, -own.price, -own.sums.cost))

    def _remarks(self, series: Series) -> Iterator[str]:
        """What a reader should know, most of it where what is nobody's is stated."""
        if self._unpriced and self._rule in MONEY_RULES:
            calls = "call of a tenant has" if self._unpriced == 1 else "calls of tenants have"
            yield f"what each bears changes once {self._unpriced:,} {calls} a price"
        if series.tenant is not None:
            return
        if not self._ratios:
            yield f"no tenant has anything to bear it by {self._rule}: it is not spread"
        elif self._elsewhere:
            yield f"tenants that pay in {', '.join(self._elsewhere)} bear none of it"


def _line(product: str, price: int, cost: int) -> StatementLine:
    return StatementLine(product, 0, SPREAD_UNIT, amount=0, exact=price, cost=cost)
