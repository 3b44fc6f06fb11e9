"""What a ledger brings to a gate's store elsewhere: what is booked, which holds that ends, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from otel_genai_cost.limits.budget import Budget, budget_of, budget_record
from otel_genai_cost.limits.credit_budget import CreditBudget, credit_budget
from otel_genai_cost.limits.hold import Hold, Place

__all__ = ["Mirror", "MirrorMark", "Mirrored", "Outcome", "basis_of"]


class MirrorMark(NamedTuple):
    """How far a store is.

    Attributes:
        ledger_id: whose sums it has.
        seq: of the last entry in them.
        basis: stands for all that they depend on besides entries.
        at_us: when it was last brought up to date, unix microseconds.
    """

    ledger_id: str
    seq: int
    basis: str
    at_us: int


class Outcome(NamedTuple):
    """What the ledger knows of a hold's call.

    Attributes:
        id: of the hold.
        event: whether its cost was observed, or its charge is booked.
        total: the cost at list prices, atto; None where that is not known.
    """

    id: str
    event: Literal["observe", "book"]
    total: int | None


class Mirrored(NamedTuple):
    """What is brought; a store takes all of it in one transaction.

    Attributes:
        mark: how far the store is then.
        budgets: those that hold now.
        credits: what tenants have paid before: tenant, currency, and what was granted and has not expired, atto.
        booked: sums as they are, atto; all that there are if `is_whole`, else those that changed.
        outcomes: of holds that are open there.
        is_whole: whether the store forgets the sums that it has.
    """

    mark: MirrorMark
    budgets: tuple[Budget, ...]
    credits: tuple[tuple[str, str, int], ...]
    booked: Mapping[Place, int]
    outcomes: Sequence[Outcome]
    is_whole: bool

    @property
    def text(self) -> str:
        """The budgets and credits as JSON: what a store gives back to `basis_of`."""
        paid = [[tenant, currency, str(hard)] for tenant, currency, hard in self.credits]
        budgets = [budget_record(one) for one in self.budgets]
        return json.dumps({"budgets": budgets, "credits": paid}, separators=(",", ":"))


@lru_cache(maxsize=8)
def basis_of(text: str) -> tuple[tuple[Budget, ...], tuple[CreditBudget, ...]]:
    """The budgets and credits of `Mirrored.text`.

    Args:
        text: as a store has it; the same one is read once.
    """
    found = json.loads(text)
    paid = (
        credit_budget(tenant, currency, int(hard)) for tenant, currency, hard in found["credits"]
    )
    return tuple(map(budget_of, found["budgets"])), tuple(paid)


@runtime_checkable
class Mirror(Protocol):
    """A sink that wants the sums of a ledger, not its entries."""

    def position(self) -> MirrorMark | None:
        """How far it is; None if nothing was ever brought."""
        ...

    def open_holds(self) -> list[Hold]:
        """The holds that are open there."""
        ...

    def mirror(self, found: Mirrored) -> None:
        """Take what is brought.

        Args:
            found: it.
        """
        ...
