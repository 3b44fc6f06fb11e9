"""What entries come to by tenant and model: for each measure what was added, and what was taken back.

Both only grow, so that rates of them are right; their difference is the sum of the entries. Of what one posting
reverses and books again under the same tenant and model only the difference counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry, tokens_of

__all__ = ["MEASURES", "MONEY", "NOTHING", "Key", "Sums", "plus", "sums_of"]

MEASURES: Final = ("cost", "input_tokens", "output_tokens", "calls", "unpriced", "price")
"""`cost` and `price` in atto of the currency; `unpriced` counts charges without a total."""

MONEY: Final = frozenset({"cost", "price"})


class Key(NamedTuple):
    """What is summed apart. Currencies are never added up."""

    tenant: str | None
    provider: str | None
    model: str | None
    currency: str


class Sums(NamedTuple):
    """By measure, in the order of `MEASURES`: what was added, and what was taken back, both 0 or more."""

    added: tuple[int, ...]
    credited: tuple[int, ...]

    @property
    def net(self) -> tuple[int, ...]:
        """What is left."""
        return tuple(up - down for up, down in zip(self.added, self.credited, strict=True))


NOTHING: Final = Sums((0,) * len(MEASURES), (0,) * len(MEASURES))


def plus(one: Sums, other: Sums, sign: int = 1) -> Sums:
    """Two sums together.

    Args:
        one: The first.
        other: The second.
        sign: -1 for the first less the second.
    """
    added = tuple(a + sign * b for a, b in zip(one.added, other.added, strict=True))
    credited = tuple(a + sign * b for a, b in zip(one.credited, other.credited, strict=True))
    return Sums(added, credited)


def sums_of(entries: Iterable[Entry]) -> Mapping[Key, Sums]:
    """The sums of entries."""
    postings: dict[tuple[str, int, Key], list[int]] = {}
    for entry in entries:
        key = Key(entry.attribution.tenant, entry.provider, entry.model, entry.currency)
        values = (entry.amount, *tokens_of(entry), entry.calls, entry.unpriced)
        net = postings.setdefault((entry.charge_id, entry.revision, key), [0] * len(MEASURES))
        for place, value in enumerate(values):
            net[place] += value
        if entry.billed_in is not None:
            key = key._replace(currency=entry.billed_in)
            net = postings.setdefault((entry.charge_id, entry.revision, key), [0] * len(MEASURES))
        net[MEASURES.index("price")] += entry.price
    found: dict[Key, Sums] = {}
    for (_, _, key), net in postings.items():
        one = Sums(tuple(max(n, 0) for n in net), tuple(max(-n, 0) for n in net))
        found[key] = plus(found.get(key, NOTHING), one)
    return found
