"""How long a tenant that was bound holds: until its block, request or job has ended."""

from __future__ import annotations

import time
from typing import Protocol

from otel_genai_cost.tenancy.tokens import Signed

__all__ = ["Ending", "Scope"]


class Ending(Protocol):
    """The end of a scope, as processes tell one another."""

    def end(self, at_s: float) -> None:
        """It has ended, then by the monotonic clock."""
        ...

    def ended_s(self) -> float | None:
        """When it ended; None if it has not."""
        ...


class Scope:
    """Whether the `with` that bound a tenant has ended, and when: a thread may outlive the request it came from. It
    keeps the token that goes out with the tenant, so that it is signed once.

    Attributes:
        closed_s: when it ended, by the monotonic clock; None before.
        signed: the token.
        ends: whether it is of something that ends.
        endings: what processes that were started in here look at.
        elsewhere: what this process looks at, if it was started in a scope of another.
    """

    __slots__ = ("closed_s", "elsewhere", "endings", "ends", "signed")

    def __init__(self, signed: Signed | None = None, *, ends: bool = True) -> None:
        self.closed_s: float | None = None
        self.signed, self.ends = signed, ends
        self.endings: tuple[Ending, ...] = ()
        self.elsewhere: Ending | None = None

    def close(self) -> None:
        """What starts from now on is not its own."""
        if self.closed_s is None:
            self.closed_s = time.monotonic()
            for ending in self.endings:
                ending.end(self.closed_s)

    def look(self) -> None:
        """Close it if it has ended in the process that it is of."""
        if self.elsewhere is not None and self.closed_s is None:
            self.closed_s = self.elsewhere.ended_s()
