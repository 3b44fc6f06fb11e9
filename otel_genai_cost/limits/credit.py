"""Prepaid credit: which grants a call burns, what a correction gives back, and what is left. Pure.

A call burns the grants that have begun and had not ended when it occurred. Those in force at that time go first, by
priority, soonest expiry, lower cost basis and creation; then what was granted since, as a top-up pays what is owed.
What none covers is overdrawn. A correction gives back what its own charge burnt, last first, so that what other calls
burnt stays as it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

__all__ = ["Burn", "Credit", "Grant", "GrantKind", "burn", "burn_order", "unwind"]

GrantKind = Literal["paid", "promo", "rollover", "refund"]
"""Why somebody has a grant."""

_NEVER_US: Final = 1 << 62


class Grant(NamedTuple):
    """Credit of one tenant. Times are unix microseconds, UTC.

    Attributes:
        id: 32 hex digits that follow from `ref`.
        ref: what the granting side calls it; unique in a ledger.
        tenant: whose it is.
        currency: an ISO 4217 code, or `ACU`.
        amount: atto, above 0.
        priority: 0 to 100; the lowest is burnt first.
        from_us, expires_us: when calls may burn it, half-open; None is for ever.
        kind: why it was granted.
        cost_basis: atto of money that a unit was paid with; None where that is not known.
        created_us: when it was decided.
        digest: of what was asked for, so that the same asked twice is known from something else by the same name.
    """

    id: str
    ref: str
    tenant: str
    currency: str
    amount: int
    priority: int
    from_us: int
    expires_us: int | None
    kind: GrantKind
    cost_basis: int | None
    created_us: int
    digest: str

    @property
    def end_us(self) -> int:
        """When it expires; later than any call where it never does."""
        return _NEVER_US if self.expires_us is None else self.expires_us


class Credit(NamedTuple):
    """A grant, and how much of it was burnt; `n` is its place in the order of creation."""

    n: int
    grant: Grant
    burnt: int

    @property
    def left(self) -> int:
        """Atto that calls of its time can still burn, whether it has expired since or not."""
        return self.grant.amount - self.burnt


class Burn(NamedTuple):
    """A signed part of what an entry comes to: which grant it is of, None for what none covers, and how much (atto)."""

    grant: int | None
    amount: int


def burn_order(found: Iterable[Credit], occurred_us: int) -> list[Credit]:
    """The grants that a call can burn, the first to be burnt first.

    Args:
        found: what has begun.
        occurred_us: when the call ended, unix microseconds.
    """
    eligible = (one for one in found if one.left > 0 and occurred_us < one.grant.end_us)
    return sorted(eligible, key=lambda one: _rank(one, occurred_us))


def _rank(credit: Credit, occurred_us: int) -> tuple[int, int, int, bool, int, int]:
    grant = credit.grant
    since_us = max(grant.from_us - occurred_us, 0)
    basis = grant.cost_basis
    return since_us, grant.priority, grant.end_us, basis is None, basis or 0, credit.n


def burn(amount: int, order: Iterable[Credit]) -> list[Burn]:
    """What an entry burns.

    Args:
        amount: atto, 0 or more.
        order: the grants, in the order in which they are burnt.

    Returns:
        Parts above 0 that sum to the amount, none larger than what is left of its grant; the last is of no grant where
        they do not suffice.
    """
    parts: list[Burn] = []
    for one in order:
        if not amount:
            break
        part = min(amount, one.left)
        parts.append(Burn(one.n, part))
        amount -= part
    return [*parts, Burn(None, amount)] if amount else parts


def unwind(amount: int, recorded: Sequence[Burn]) -> list[Burn]:
    """What a correction gives back.

    Args:
        amount: atto, above 0.
        recorded: every part that its charge burnt or gave back, in the order in which that was recorded.

    Returns:
        Parts below 0 that sum to the amount's negative, last burnt first; the last is of no grant where the charge had
        not burnt as much.
    """
    parts: list[Burn] = []
    for grant, burnt in reversed(_standing(recorded)):
        if not amount:
            break
        part = min(amount, burnt)
        parts.append(Burn(grant, -part))
        amount -= part
    return [*parts, Burn(None, -amount)] if amount else parts


def _standing(recorded: Iterable[Burn]) -> list[Burn]:
    """The parts that were not given back, in the order in which they were burnt."""
    standing: list[Burn] = []
    for grant, amount in recorded:
        if amount > 0:
            standing.append(Burn(grant, amount))
            continue
        for at in range(len(standing) - 1, -1, -1):
            if standing[at].grant == grant:
                taken = min(-amount, standing[at].amount)
                standing[at] = Burn(grant, standing[at].amount - taken)
                amount += taken
    return [one for one in standing if one.amount]
