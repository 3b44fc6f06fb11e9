"""Where holds are: the port that SQLite, PostgreSQL and Redis stand behind.

Whatever happens to a hold is an operation: a function of a transaction that reads first and writes then. It may be run
more than once, so it changes nothing but by the transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.projections.credit_standing import CreditStanding
from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.hold import Committed, Hold, HoldEvent, Place

__all__ = [
    "Operation",
    "Store",
    "StoreUnavailableError",
    "Transaction",
]

_T = TypeVar("_T")


class StoreUnavailableError(GenAICostError):
    """A store of holds cannot be reached, or does not answer in time: nobody knows what may be spent."""


class Transaction(Protocol):
    """All of what an operation does, or none of it."""

    @property
    def now_us(self) -> int:
        """When it began, unix microseconds."""
        ...

    def budgets(self) -> tuple[Budget, ...]:
        """Those that hold now."""
        ...

    def find(self, hold_id: str) -> Hold | None:
        """The hold of that id."""
        ...

    def committed(self, place: Place) -> Committed:
        """What is taken of a sum."""
        ...

    def write(self, before: Hold | None, after: Hold) -> None:
        """Put a hold in the place of what it was.

        Args:
            before: as it was found; None for a new one.
            after: as it is from now on.
        """
        ...

    def due(self, limit: int) -> list[tuple[Hold, HoldEvent]]:
        """Holds whose time is over, at most so many of a kind, and what that makes of them."""
        ...

    def open(self, tenant: str | None = None) -> list[Hold]:
        """The open holds, of one tenant or of all."""
        ...

    def keys(self, series: str, period_from_us: int) -> list[str]:
        """The keys of a measure of which anything is booked or held in a period.

        Args:
            series: the measure's.
            period_from_us: when the period begins, unix microseconds.
        """
        ...

    def credit(self, tenant: str) -> tuple[int, CreditStanding]:
        """Up to which entry the books are known here, and what a tenant has of credit by then, holds included.

        Args:
            tenant: its id.
        """
        ...

    def prune(self) -> None:
        """Forget holds that have been over for a week."""
        ...


Operation = Callable[[Transaction], _T]


class Store(Protocol):
    """Runs operations. A future of one that could not be run has a `StoreUnavailableError`."""

    def submit(self, operation: Operation[_T]) -> Future[_T]:
        """Have an operation run; it has taken effect for good when the future is done."""
        ...

    def lag_us(self) -> int:
        """For how long the oldest thing that is not booked here yet has been waiting, microseconds."""
        ...

    def close(self) -> None:
        """Finish what was submitted, and let go of whatever it holds."""
        ...
