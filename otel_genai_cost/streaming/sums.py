"""What workers add up: by window, tenant and currency, as integers that stores of 64 bits can add exactly.

An amount in atto passes 64 bits at 9.22 of a currency. It is added as parts of nine digits, each in a field of its own:
a part is below 1e9 whatever its sign, so that nine thousand million of them fit before any field overflows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from otel_genai_cost.journal.codec import decode_any, encode
from otel_genai_cost.ledger.entry import Entry

__all__ = ["Sum", "read_sums", "sums_of"]

_BASE: Final = 10**9


class Sum(NamedTuple):
    """What a tenant's calls of one window come to.

    Attributes:
        window_us: when it begins, unix microseconds; calls count where they ended.
        tenant: for whom; None for what is nobody's.
        currency: of the amount.
        calls, unpriced: counts.
        amount: the cost, in atto.
    """

    window_us: int
    tenant: str | None
    currency: str
    calls: int
    unpriced: int
    amount: int


def sums_of(entries: Iterable[Entry], window_us: int) -> dict[int, dict[str, int]]:
    """What entries add, by window and field.

    Args:
        entries: signed, as they were posted.
        window_us: the length of a window, in microseconds.
    """
    sums: dict[int, dict[str, int]] = {}
    for one in entries:
        fields = sums.setdefault(one.occurred_us - one.occurred_us % window_us, {})
        parts = [("calls", one.calls), ("unpriced", one.unpriced), *_parts(one.amount)]
        for name, number in parts:
            if number:
                field = encode([one.attribution.tenant, one.currency, name]).decode()
                fields[field] = fields.get(field, 0) + number
    return sums


def _parts(amount: int) -> Iterator[tuple[str, int]]:
    """The parts of an amount, each with its sign: `0` has the last nine digits."""
    sign, left, place = (-1 if amount < 0 else 1), abs(amount), 0
    while left:
        left, part = divmod(left, _BASE)
        yield str(place), sign * part
        place += 1


def read_sums(windows: Iterable[tuple[int, Mapping[str, int]]]) -> list[Sum]:
    """The sums of fields, over all partitions, by window, tenant and currency.

    Args:
        windows: when each begins, and its fields; the same window may come any number of times.
    """
    found: dict[tuple[int, str | None, str], Sum] = {}
    for window_us, fields in windows:
        for field, number in fields.items():
            tenant, currency, name = decode_any(field.encode())
            key = (window_us, tenant, currency)
            one = found.setdefault(key, Sum(*key, 0, 0, 0))
            found[key] = _added(one, name, number)
    return [found[key] for key in sorted(found, key=lambda key: (key[0], key[1] or "", key[2]))]


def _added(one: Sum, name: str, number: int) -> Sum:
    if name == "calls":
        return one._replace(calls=one.calls + number)
    if name == "unpriced":
        return one._replace(unpriced=one.unpriced + number)
    return one._replace(amount=one.amount + number * _BASE ** int(name))
