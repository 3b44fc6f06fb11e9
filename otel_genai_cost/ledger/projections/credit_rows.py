"""What a row of the tables of prepaid credit is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from otel_genai_cost.limits.credit import Burn, Credit, Grant
from otel_genai_cost.pricing.money import format_money, parse_money

__all__ = [
    "ACTIVE",
    "EXPIRED",
    "UPCOMING",
    "Account",
    "BurnRow",
    "HeldGrant",
    "Overdrawn",
    "account_of",
    "held_grant_of",
    "text_of",
]

UPCOMING: Final = 0
ACTIVE: Final = 1
EXPIRED: Final = 2
"""What a grant is at the time up to which the ledger has come."""


@dataclass
class Account:
    """What one tenant has in one currency; sums are atto. `from_us` is when its first grant begins: what occurred
    before that is paid otherwise. Without any grant it is None, and `burnt` what is not paid by credit at all. Below
    the `mark` a top-up is asked for; `low_at` is what was granted when that was last asked, until there is a top-up."""

    n: int
    tenant: str
    currency: str
    from_us: int | None = None
    granted: int = 0
    burnt: int = 0
    expired: int = 0
    overdraft: int = 0
    unpriced: int = 0
    mark: int | None = None
    low_at: int | None = None

    @property
    def left(self) -> int:
        """What was granted and has begun, less what was burnt and what has expired; below 0 where it is overdrawn."""
        return self.granted - self.burnt - self.expired


@dataclass
class HeldGrant:
    """A grant, and what has become of it."""

    n: int
    grant: Grant
    burnt: int = 0
    expired: int = 0
    phase: int = UPCOMING

    def __post_init__(self) -> None:
        self.note_saved()

    def note_saved(self) -> None:
        """Its row has what it has."""
        self._saved = (self.burnt, self.expired, self.phase)

    @property
    def is_changed(self) -> bool:
        """Whether its row is to be written."""
        return self._saved != (self.burnt, self.expired, self.phase)

    @property
    def is_spent(self) -> bool:
        """Whether nothing of it is left to burn."""
        return self.burnt == self.grant.amount

    @property
    def is_moved(self) -> bool:
        """Whether its row belongs elsewhere in the indexes."""
        burnt, _, phase = self._saved
        return phase != self.phase or (burnt == self.grant.amount) != self.is_spent

    @property
    def credit(self) -> Credit:
        """As burning looks at it."""
        return Credit(self.n, self.grant, self.burnt)


class Overdrawn(NamedTuple):
    """What of a charge no grant has covered so far."""

    charge_id: str
    account: int
    entry_seq: int
    occurred_us: int
    amount: int


class BurnRow(NamedTuple):
    """A row of the burns, in the order in which it was recorded."""

    account: int
    charge_id: str
    entry_seq: int
    place: int
    burn: Burn


def text_of(atto: int | None) -> str | None:
    """Money as a row has it; None stays None."""
    return None if atto is None else format_money(atto)


def _atto(text: str | None) -> int | None:
    return None if text is None else parse_money(text)


def account_of(row: Sequence[Any]) -> Account:
    """The account of a row of `credit_account`."""
    return Account(
        n=row[0],
        tenant=row[1],
        currency=row[2],
        from_us=row[3],
        granted=parse_money(row[4]),
        burnt=parse_money(row[5]),
        expired=parse_money(row[6]),
        overdraft=parse_money(row[7]),
        unpriced=row[8],
        mark=_atto(row[9]),
        low_at=_atto(row[10]),
    )


def held_grant_of(row: Sequence[Any]) -> HeldGrant:
    """The grant of a row of `credit_grant`, with whose it is and in what."""
    grant = Grant(
        id=row[1],
        ref=row[2],
        tenant=row[3],
        currency=row[4],
        amount=parse_money(row[5]),
        priority=row[6],
        from_us=row[7],
        expires_us=row[8],
        kind=row[9],
        cost_basis=_atto(row[10]),
        created_us=row[11],
        digest=row[12],
    )
    return HeldGrant(row[0], grant, parse_money(row[13]), parse_money(row[14]), row[15])
