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

    def held_since(self, start_ns: int | None, grace_s: float | None) -> bool:
        """Whether it holds for a call.

        Args:
            start_ns: when that started, in unix nanoseconds; None for now.
            grace_s: how much longer it holds than until its end, in seconds; None for ever.
        """
        if (over_s := self._over_s(grace_s)) is None:
            return True
        # How long ago it started is read off one clock, how long the block is closed off the other: neither is compared
        # with an earlier reading of itself that a step of the clock could have made wrong.
        ago_s = 0.0 if start_ns is None else max(time.time_ns() - start_ns, 0) / 1e9
        return time.monotonic() - ago_s <= over_s

    def held_at(self, at_s: float, grace_s: float | None) -> bool:
        """Whether it holds for what was asked for.

        Args:
            at_s: when, by the monotonic clock, as its end is: microseconds may lie between the two.
            grace_s: how much longer it holds than until its end, in seconds; None for ever.
        """
        over_s = self._over_s(grace_s)
        return over_s is None or at_s <= over_s

    def _over_s(self, grace_s: float | None) -> float | None:
        """What begins later than this, by the monotonic clock, is not its own; None if all is."""
        if self.elsewhere is not None:  # nearly never, and of each span it is asked
            self.look()
        return None if self.closed_s is None or grace_s is None else self.closed_s + grace_s
