"""What a ledger brings to a gate's store elsewhere: what is booked, which holds that ends, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from otel_genai_cost.limits.budget import Budget, budget_of, budget_record
from otel_genai_cost.limits.hold import Hold, Place

__all__ = ["Mirror", "MirrorMark", "Mirrored", "Outcome", "budgets_of"]


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
        event: whether it went out, its cost was observed, or its charge is booked.
        total: the cost at list prices, atto; None where that is not known.
        booked: what is booked of it at list prices, atto, where that is not all.
    """

    id: str
    event: Literal["dispatch", "observe", "book"]
    total: int | None = None
    booked: int = 0

    def of(self, hold: Hold) -> Hold:
        """What it makes of a hold.

        Args:
            hold: as it was.
        """
        if self.event != "observe":
            return hold.after(self.event)
        return hold.measured(self.total).booked_in_part(self.booked)


class Mirrored(NamedTuple):
    """What is brought; a store takes all of it in one transaction.

    Attributes:
        mark: how far the store is then.
        budgets: those that hold now.
        booked: sums as they are, of budgets and of credit, atto; all that there are if `is_whole`, else those that
            changed.
        outcomes: of holds that are open there.
        is_whole: whether the store forgets the sums that it has.
        credit: what tenants have of credit, as text, by tenant: of all who have any, or of those of whom it changed.
    """

    mark: MirrorMark
    budgets: tuple[Budget, ...]
    booked: Mapping[Place, int]
    outcomes: Sequence[Outcome]
    is_whole: bool
    credit: Mapping[str, str] = {}

    @property
    def text(self) -> str:
        """The budgets as JSON: what a store gives back to `budgets_of`."""
        return json.dumps([budget_record(one) for one in self.budgets], separators=(",", ":"))


@lru_cache(maxsize=8)
def budgets_of(text: str) -> tuple[Budget, ...]:
    """The budgets of `Mirrored.text`.

    Args:
        text: as a store has it; the same one is read once.
    """
    return tuple(map(budget_of, json.loads(text)))


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
