"""What a store says that it has, day by day, and where that differs from the ledger or from another store. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.pricing.money import parse_money

__all__ = [
    "ByTenant",
    "ComparedDay",
    "DaySum",
    "Verifiable",
    "compared",
    "day_sums",
    "sums_in_rows",
]

_EPOCH: Final = date(1970, 1, 1)
_DAY_US: Final = 86_400_000_000
_LAST_DAY: Final = (date.max - _EPOCH).days
_FIRST_DAY: Final = (date.min - _EPOCH).days


class DaySum(NamedTuple):
    """The entries of a day in one currency.

    Attributes:
        day: on which the calls occurred, UTC.
        currency: of the amounts.
        entries: how many.
        amount: atto; their sum.
        tenant: whose they are; None for nobody's, and where days are not told apart by tenant.
    """

    day: date
    currency: str
    entries: int
    amount: int
    tenant: str | None = None


@runtime_checkable
class Verifiable(Protocol):
    """A sink that can be asked what it has, to be compared with the ledger."""

    def days(self, upto_seq: int) -> Iterable[DaySum]:
        """The sums of each day and currency, in any order; those of several parts of a day are added.

        Args:
            upto_seq: the last entry that counts.
        """
        ...


@runtime_checkable
class ByTenant(Protocol):
    """A sink that tells days apart by tenant too, so that a difference between two can be found."""

    def tenant_days(self, upto_seq: int) -> Iterable[DaySum]:
        """The sums of each day, currency and tenant, likewise.

        Args:
            upto_seq: the last entry that counts.
        """
        ...


class ComparedDay(NamedTuple):
    """What two have of a day; None where one has nothing of it."""

    day: date
    currency: str
    tenant: str | None
    one: DaySum | None
    other: DaySum | None

    @property
    def is_equal(self) -> bool:
        """Whether they have as many entries, of the same sum to the last digit."""
        return self.one == self.other


def _day_of(day: int) -> date:
    """A day by its number since 1970; the first or last that there is for one beyond it."""
    return _EPOCH + timedelta(days=min(max(day, _FIRST_DAY), _LAST_DAY))


def sums_in_rows(rows: Iterable[Sequence[Any]]) -> list[DaySum]:
    """The sums that a store answers with.

    Args:
        rows: each a day by its number since 1970, a currency, how many entries, their sum as a decimal, and the tenant.
    """
    return [
        DaySum(_day_of(day), currency, entries, parse_money(amount), tenant)
        for day, currency, entries, amount, tenant in rows
    ]


def day_sums(entries: Iterable[Entry], upto_seq: int, *, by_tenant: bool = False) -> list[DaySum]:
    """The sums of entries.

    Args:
        entries: in order.
        upto_seq: the last that counts.
        by_tenant: whether days are told apart by tenant.
    """
    found: dict[tuple[int, str, str | None], tuple[int, int]] = {}
    for entry in entries:
        if entry.seq > upto_seq:
            break
        tenant = entry.attribution.tenant if by_tenant else None
        key = (entry.occurred_us // _DAY_US, entry.currency, tenant)
        count, amount = found.get(key, (0, 0))
        found[key] = (count + 1, amount + entry.amount)
    return [
        DaySum(_day_of(day), currency, *sums, tenant)
        for (day, currency, tenant), sums in found.items()
    ]


def compared(one: Iterable[DaySum], other: Iterable[DaySum]) -> Iterator[ComparedDay]:
    """Every day, currency and tenant that one of two has anything of, in order.

    Args:
        one: its sums.
        other: the other's.
    """
    ours, theirs = _by_key(one), _by_key(other)
    for key in sorted({*ours, *theirs}, key=lambda key: (*key[:2], key[2] or "", key[2] is None)):
        yield ComparedDay(*key, ours.get(key), theirs.get(key))


def _by_key(sums: Iterable[DaySum]) -> dict[tuple[date, str, str | None], DaySum]:
    """Sums of one key are added: days beyond the calendar's end are one."""
    found: dict[tuple[date, str, str | None], DaySum] = {}
    for one in sums:
        key = (one.day, one.currency, one.tenant)
        before = found.get(key)
        if before is not None:
            entries, amount = one.entries + before.entries, one.amount + before.amount
            one = one._replace(entries=entries, amount=amount)
        found[key] = one
    return found
