"""A hold: what a call may come to, kept of every budget that applies, from before the call until its charge is booked.

    held --dispatch--> sent --observe--> measured --book--> closed
    held --release, expire--> void      sent --expire--> lost --release, end--> void

A hold's id is the id of the call's observation. While it is open, its amount counts as if it were spent. A call that
was sent and of which nothing was heard is `lost`: it may have been billed, so it goes on counting until its
observation, or the end of what it counts in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

__all__ = [
    "IN_FLIGHT",
    "NOTHING_COMMITTED",
    "OPEN",
    "Change",
    "Claim",
    "Committed",
    "Hold",
    "HoldEvent",
    "HoldState",
    "Place",
    "change",
    "next_state",
    "scaled",
]

HoldState = Literal["held", "sent", "measured", "closed", "void", "lost"]

HoldEvent = Literal["dispatch", "release", "expire", "observe", "book", "end"]
"""What happens to a hold: the call goes out; its caller says that it is not billed; its time is over; its cost is
known; its charge is booked; the period that it counted in has ended."""

IN_FLIGHT: Final = frozenset({"held", "sent"})
"""States of a call that may still come to less than it holds."""

OPEN: Final = frozenset({"held", "sent", "measured", "lost"})
"""States in which a hold's amount counts."""

_NEXT: Mapping[tuple[HoldState, HoldEvent], HoldState] = {
    ("held", "dispatch"): "sent",
    ("held", "release"): "void",
    ("sent", "release"): "void",
    ("lost", "release"): "void",
    ("held", "expire"): "void",
    ("sent", "expire"): "lost",
    ("held", "observe"): "measured",
    ("sent", "observe"): "measured",
    ("lost", "observe"): "measured",
    ("void", "observe"): "measured",
    ("measured", "observe"): "measured",
    ("held", "book"): "closed",
    ("sent", "book"): "closed",
    ("measured", "book"): "closed",
    ("lost", "book"): "closed",
    ("void", "book"): "closed",
    ("lost", "end"): "void",
    ("measured", "end"): "void",
}


class Place(NamedTuple):
    """Where a sum stands: a measure's series, the key within it, and when the period begins (unix microseconds)."""

    series: str
    key: str
    period_from_us: int


class Committed(NamedTuple):
    """What is taken of a counter, in atto.

    Attributes:
        booked: the sum of the entries.
        open: the sum of the open holds.
        in_flight: the part of `open` that may still come to less.
    """

    booked: int
    open: int
    in_flight: int

    @property
    def total(self) -> int:
        """Entries and open holds."""
        return self.booked + self.open


NOTHING_COMMITTED: Final = Committed(0, 0, 0)


class Claim(NamedTuple):
    """An amount (atto) that a hold takes of a counter."""

    place: Place
    amount: int


class Hold(NamedTuple):
    """Times are unix microseconds.

    Attributes:
        id: the observation's, 32 hex digits.
        digest: of the request, by which a repeated one is known.
        state: where it stands.
        amount: atto; at list prices.
        currency: of all its amounts.
        tenant: whose call it is; None if it is nobody's.
        expires_us: when it is void or lost, unless something is heard of it.
        ends_us: when it stops counting though nothing was heard.
        claims: what it takes of each counter.
        request: the request, as JSON.
        answer: what the request was answered with, as JSON.
        booked: atto; what is booked of it at list prices while not all of its charge has a price: it counts there, and
            here no more.
    """

    id: str
    digest: str
    state: HoldState
    amount: int
    currency: str
    tenant: str | None
    expires_us: int
    ends_us: int
    claims: tuple[Claim, ...]
    request: str = "{}"
    answer: str = "{}"
    booked: int = 0

    @property
    def is_open(self) -> bool:
        """Whether its amount counts."""
        return self.state in OPEN

    @property
    def left(self) -> int:
        """What counts of its amount: what is not booked of it."""
        return min(max(self.amount - self.booked, 0), self.amount)

    @property
    def claims_left(self) -> tuple[Claim, ...]:
        """What counts of its claims, in proportion."""
        if not self.booked:
            return self.claims
        return tuple(
            claim._replace(amount=scaled(claim.amount, self.amount, self.left))
            for claim in self.claims
        )

    def after(self, event: HoldEvent) -> Hold:
        """The hold after an event; itself where the event changes nothing."""
        return self._replace(state=next_state(self.state, event))

    def measured(self, total: int | None) -> Hold:
        """The hold of a call whose cost is known.

        Args:
            total: at list prices, atto; None where it is not known: what was held is the most that it can be.

        Returns:
            The hold with that amount, and in proportion where a contract made it another for a counter.
        """
        after = self.after("observe")
        if total is None or after.state != "measured":
            return after
        return after.of_amount(
            total, [scaled(claim.amount, self.amount, total) for claim in self.claims]
        )

    def booked_in_part(self, booked: int) -> Hold:
        """The hold of a charge of which not all has a price.

        Args:
            booked: what is booked of it by now at list prices, atto.
        """
        return self._replace(booked=booked) if self.state == "measured" else self

    def of_amount(self, amount: int, claimed: Sequence[int]) -> Hold:
        """The hold with other amounts.

        Args:
            amount: at list prices, atto.
            claimed: of each claim, in their order.
        """
        claims = tuple(
            claim._replace(amount=each) for claim, each in zip(self.claims, claimed, strict=True)
        )
        return self._replace(amount=amount, claims=claims)


def next_state(state: HoldState, event: HoldEvent) -> HoldState:
    """The state after an event; the same where the event changes nothing, such as whatever happens to a closed hold."""
    key: tuple[HoldState, HoldEvent] = (state, event)
    return _NEXT.get(key, state)


def scaled(claimed: int, amount: int, to: int) -> int:
    """A claim of a hold that comes to another amount.

    Args:
        claimed: of the hold as it was, atto.
        amount: of the hold as it was.
        to: what the hold comes to.

    Returns:
        As much in proportion, rounded up: a contract may have made the claim another amount than the hold's.
    """
    if claimed == amount or not amount:
        return to
    return -(-claimed * to // amount)


class Change(NamedTuple):
    """By how much a counter's open and in-flight sums change, in atto."""

    open: int
    in_flight: int


def change(before: Hold | None, after: Hold | None) -> dict[Place, Change]:
    """What a hold's change does to the sums of the counters that it takes of.

    Args:
        before: None where there was none.
        after: None where there is none any more.

    Returns:
        The counters that change.
    """
    found: dict[Place, Change] = {}
    for hold, sign in ((before, -1), (after, 1)):
        if hold is None or not hold.is_open:
            continue
        flying = sign if hold.state in IN_FLIGHT else 0
        for place, amount in hold.claims_left:
            was = found.get(place, Change(0, 0))
            found[place] = Change(was.open + sign * amount, was.in_flight + flying * amount)
    return {place: one for place, one in found.items() if any(one)}
