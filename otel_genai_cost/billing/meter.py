"""What is counted of an entry, and for which of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry, tokens_of

__all__ = ["COUNTS", "DIVIDERS", "MONEY", "Meter", "counted", "properties_of"]

_ONE: Final = 10**18

MONEY: Final = ("cost", "price")
"""What is counted in a currency."""

COUNTS: Final = (*MONEY, "calls", "tokens", "input_tokens", "output_tokens")
"""What a meter may count, beside `leaf:NAME`."""

DIVIDERS: Final = ("model", "provider", "feature", "plan", "workflow", "agent")
"""By what a meter may be divided and filtered."""


class Meter(NamedTuple):
    """A meter.

    Attributes:
        name: of the events at the billing system.
        counts: one of `COUNTS`, or `leaf:` and the name of a leaf.
        unit: 1e-18 of what is counted.
        currency: of money; entries of another currency are another window, which is never sent.
        by: by what it is divided.
        only: what an entry must be, by divider; empty for all.
    """

    name: str
    counts: str
    unit: int = _ONE
    currency: str = ""
    by: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = {}

    @property
    def definition(self) -> str:
        """All that it says, as text: a meter whose definition changes is another one."""
        only = {name: sorted(values) for name, values in self.only.items()}
        facts = [self.name, self.counts, self.unit, self.currency, self.by, only]
        return json.dumps(facts, sort_keys=True)


def counted(meter: Meter, entry: Entry) -> int | None:
    """What a meter counts of an entry, in 1e-18; None if it does not look at it.

    Args:
        meter: it.
        entry: signed, so that sums are right.
    """
    if any(_value(entry, name) not in values for name, values in meter.only.items()):
        return None
    if meter.counts == "price":
        return entry.price
    if meter.counts == "cost":
        return entry.amount
    return _ONE * _count(meter.counts, entry)


def _count(counts: str, entry: Entry) -> int:
    if counts == "calls":
        return entry.calls
    if counts.startswith("leaf:"):
        return entry.usage.get(counts.removeprefix("leaf:"), 0)
    tokens_in, tokens_out = tokens_of(entry)
    return {"input_tokens": tokens_in, "output_tokens": tokens_out}.get(
        counts, tokens_in + tokens_out
    )


def properties_of(meter: Meter, entry: Entry) -> dict[str, str]:
    """What an event of a meter says beside the quantity: what it is divided by, and of money the currency."""
    found = {name: _value(entry, name) for name in meter.by}
    if meter.counts in MONEY:
        found["currency"] = entry.price_currency if meter.counts == "price" else entry.currency
    return found


def _value(entry: Entry, name: str) -> str:
    if name == "model":
        return entry.model or ""
    if name == "provider":
        return entry.provider or ""
    return entry.attribution.labels.get(name, "")
