"""What a call is billed for besides what its usage counts: fees that are always due, minimums, caps, and prices that
lie within a range. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from otel_genai_cost.pricing.cost import Rate

__all__ = ["FEE_KEYS", "NO_FEES", "Fees", "billed_quantities", "range_of", "untold"]

FEE_KEYS: Final = ("due", "needs", "at_least", "at_most", "between")
"""Keys of a price row that say how its leaves are billed, in the order of `Fees`."""

_NONE: Final[Mapping[str, int]] = MappingProxyType({})
_NO_RANGE: Final[Mapping[str, tuple[Rate, Rate]]] = MappingProxyType({})


class Fees(NamedTuple):
    """How a row's leaves are billed, where that is not once for each unit that the usage has.

    `due`: how many of a leaf every call is billed whose usage does not count it (a request, a search). `needs`: leaves
    that every call is billed, and of which only the usage says how many. `at_least`: the least that one call is billed
    of a leaf it used; `at_most`: the most. `between`: the least and the highest rate of a leaf whose own rate is only
    the provider's default, because something that the call does not name decides.
    """

    due: Mapping[str, int] = _NONE
    needs: tuple[str, ...] = ()
    at_least: Mapping[str, int] = _NONE
    at_most: Mapping[str, int] = _NONE
    between: Mapping[str, tuple[Rate, Rate]] = _NO_RANGE

    @property
    def counts_otherwise(self) -> bool:
        """Whether more is billed, or less, than the usage counts."""
        return bool(self.due or self.needs or self.at_least or self.at_most)

    def may_change(self, leaf: str) -> bool:
        """Whether what a used leaf costs is anything else than its quantity at its rate."""
        return leaf in self.at_least or leaf in self.at_most or leaf in self.between


NO_FEES: Final = Fees()


def billed_quantities(fees: Fees, leaves: Mapping[str, int]) -> Mapping[str, int]:
    """How many of each leaf are billed; `leaves` itself where that is what the usage has."""
    if not fees.counts_otherwise:
        return leaves
    billed = {**leaves, **{leaf: n for leaf, n in fees.due.items() if leaf not in leaves}}
    for leaf, least in fees.at_least.items():
        if leaf in billed:
            billed[leaf] = max(billed[leaf], least)
    for leaf, most in fees.at_most.items():
        if leaf in billed:
            billed[leaf] = min(billed[leaf], most)
    return leaves if billed == leaves else billed


def untold(fees: Fees, leaves: Mapping[str, int]) -> Iterator[str]:
    """Leaves that are billed on every call, and that this call's usage says nothing of."""
    return (leaf for leaf in fees.needs if leaf not in leaves)


def range_of(
    fees: Fees, rates: Mapping[str, Rate], quantities: Mapping[str, int], total: int
) -> tuple[int, int] | None:
    """The least and the most that usage can cost where a fee is known within bounds.

    Args:
        fees: of the price row.
        rates: of the price row.
        quantities: by leaf.
        total: what they come to by the default, atto.

    Returns:
        Both in atto; None where that is one figure.
    """
    low = high = total
    for leaf, (least, most) in fees.between.items():
        if quantity := quantities.get(leaf, 0):
            usual = rates[leaf].amount(quantity)
            low += least.amount(quantity) - usual
            high += most.amount(quantity) - usual
    return (low, high) if low < high else None
