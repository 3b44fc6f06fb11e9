"""What calls came to in the end, in order of time: what a simulation of budgets goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.counters import dimensions_of
from otel_genai_cost.limits.simulation import Spent
from otel_genai_cost.pricing.money import ATTO, divide_half_even

__all__ = ["converting", "spending"]


def spending(entries: Iterable[Entry], from_us: int | None, to_us: int | None) -> list[Spent]:
    """The net of each charge, in order of time.

    Args:
        entries: all of the charges, in any order.
        from_us: the first instant that counts, unix microseconds; None for no limit.
        to_us: the first that no longer does.
    """
    found: dict[tuple[object, ...], Spent] = {}
    for entry in entries:
        if (from_us is None or from_us <= entry.occurred_us) and (
            to_us is None or entry.occurred_us < to_us
        ):
            dimensions = dimensions_of(entry)
            said = tuple(sorted((key, value or "") for key, value in dimensions.items()))
            at = (entry.charge_id, entry.occurred_us, entry.currency, entry.price_currency, said)
            known = found.get(at)
            one = Spent(
                entry.occurred_us,
                dimensions if known is None else known.dimensions,
                (entry.amount, entry.currency),
                (entry.price, entry.price_currency),
                entry.calls,
                entry.unpriced,
            )
            found[at] = one if known is None else _plus(known, one)
    left = [
        one for one in found.values() if one.cost[0] or one.price[0] or one.calls or one.unpriced
    ]
    return sorted(left, key=lambda one: one.at_us)


def _plus(one: Spent, more: Spent) -> Spent:
    return one._replace(
        cost=(one.cost[0] + more.cost[0], one.cost[1]),
        price=(one.price[0] + more.price[0], one.price[1]),
        calls=one.calls + more.calls,
        unpriced=one.unpriced + more.unpriced,
    )


def converting(contracts: Contracts) -> Callable[[int, str, str, int], int | None]:
    """Conversion by the exchange rates of contracts.

    Args:
        contracts: where they stand.
    """

    def convert(amount: int, base: str, quote: str, at_us: int) -> int | None:
        if not amount:
            return 0
        row = contracts.exchange_rate(base, quote, at_us)
        return None if row is None else divide_half_even(amount * row.rate, ATTO)

    return convert
