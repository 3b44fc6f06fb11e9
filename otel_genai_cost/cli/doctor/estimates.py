"""How much of what was booked rests on a provider's default, because nothing on the span decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, fine, warned
from otel_genai_cost.cli.home import Home
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import format_money

__all__ = ["defaults"]

_ENTRIES_MAX: Final = 100_000
"""The newest entries that are looked at: the check is to take seconds on any ledger."""

_NAME: Final = "defaults"
_REMEDY: Final = (
    "an instrumentation that reports the lifetime of cache writes decides, as Anthropic's own spans do; "
    "`charges --json` has the bounds"
)


class _Sums:
    """Atto of one currency: all that was booked, what rests on a default, its cache writes, and what may come to it."""

    def __init__(self) -> None:
        self.booked = self.resting = self.written = self.more = 0

    def add(self, entry: Entry) -> None:
        self.booked += entry.amount
        if entry.bounds is None:
            return
        self.resting += entry.amount
        self.written += sum(line.amount for line in entry.lines if line.leaf == "cache_write")
        if entry.calls > 0:
            self.more += entry.bounds[1] - entry.amount

    def __str__(self) -> str:
        share = 100 * self.resting / self.booked if self.booked else 0
        return f"{share:.1f} % of {format_money(self.booked)}"


def defaults(home: Home) -> Iterator[Found]:
    """Only where something was booked: the share of the newest entries that rests on one."""
    if not home.has_ledger:
        return
    try:
        ledger = Ledger(home.folder / LEDGER_FILE, readonly=True)
    except GenAICostError:
        return  # who reads the ledger says what is wrong with it
    try:
        found = _summed(ledger.entries.since(max(0, ledger.entries.last_seq() - _ENTRIES_MAX)))
    finally:
        ledger.close()
    resting = {currency: sums for currency, sums in found.items() if sums.resting}
    if not resting:
        yield fine(_NAME, "no figure rests on a provider's default")
    for currency, sums in resting.items():
        seen = (
            f"{sums} {currency} rests on a provider's default ({format_money(sums.written)} are cache writes "
            f"of unknown lifetime): up to {format_money(sums.more)} more"
        )
        yield warned(_NAME, seen, _REMEDY)


def _summed(entries: Iterable[Entry]) -> dict[str, _Sums]:
    found: dict[str, _Sums] = {}
    for entry in entries:
        found.setdefault(entry.currency, _Sums()).add(entry)
    return found
