"""Counting: entries that are new since the last time are added to the windows of each meter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from otel_genai_cost.billing.customers import Customers, note_customers
from otel_genai_cost.billing.destination import Destination
from otel_genai_cost.billing.meter import Meter, counted, properties_of
from otel_genai_cost.billing.outbox import Mark, Outbox, Terms
from otel_genai_cost.billing.usage_event import Window
from otel_genai_cost.billing.windows import Windows
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["count", "sums_of"]

_BATCH: Final = 500
"""Of entries, in a transaction: whoever is killed often gets on all the same."""

_MINUTE_US: Final = 60_000_000


def sums_of(
    entries: Iterable[Entry],
    destination: Destination,
    windows: Windows,
    counted_to: Sequence[tuple[Meter, int]],
) -> dict[Window, int]:
    """What meters count of entries, by window.

    Args:
        entries: in order.
        destination: from when on it counts.
        windows: of it.
        counted_to: the meters, each with the seq of the last entry that it does not count any more.
    """
    sums: dict[Window, int] = {}
    for entry in entries:
        if entry.occurred_us < destination.from_us:  # the beginning of a window
            continue
        start_us = windows.start(entry.attribution.tenant or "", entry.occurred_us)
        for meter, seq in counted_to:
            amount = counted(meter, entry) if entry.seq > seq else 0
            if amount:
                window = _window(meter, entry, start_us)
                sums[window] = sums.get(window, 0) + amount
    return sums


def _window(meter: Meter, entry: Entry, start_us: int) -> Window:
    properties = json.dumps(properties_of(meter, entry), sort_keys=True)
    return Window(meter.name, entry.attribution.tenant or "", properties, start_us)


def count(
    ledger: Ledger, destination: Destination, customers: Customers, outbox: Outbox, now_us: int
) -> int:
    """Bring the windows of a destination up to date with the ledger, a part of it at a time.

    Args:
        ledger: to read.
        destination: whose meters.
        customers: who is which customer of it; where that is another, what was counted is looked at again.
        outbox: of it.
        now_us: the time, unix microseconds.

    Returns:
        The seq up to which all of its meters are counted.

    Raises:
        ConfigurationError: if a meter, or the length of windows, is not what it was.
        LedgerError: if the ledger has less than was counted, or an entry is damaged.
    """
    meters = destination.meters
    marks = [_mark(ledger, meter, outbox, now_us) for meter in meters]
    is_cut_anew = note_customers(destination, customers, outbox, now_us)
    if _note_terms(destination, outbox, now_us) or is_cut_anew:
        marks = [_mark(ledger, meter, outbox, now_us) for meter in meters]
    seq = min((mark.seq for mark in marks), default=ledger.entries.last_seq())
    while entries := list(ledger.entries.since(seq, _BATCH)):
        counted_to = [(meter, mark.seq) for meter, mark in zip(meters, marks, strict=True)]
        sums = sums_of(entries, destination, customers.windows, counted_to)
        seq = entries[-1].seq
        with outbox.transaction():
            outbox.add(sums)
            for place, mark in enumerate(marks):
                if mark.seq < seq:
                    marks[place] = mark._replace(seq=seq, entry=entries[-1].id)
                    outbox.set_mark(meters[place].name, marks[place], now_us)
    return seq


def _note_terms(destination: Destination, outbox: Outbox, now_us: int) -> bool:
    """Have all meters counted anew where other calls count than the last time: some were not looked at, or are not to
    be billed there after all. Of windows of another length everything would be sent once more, under other beginnings,
    and what was sent before be taken back, which not every billing system can."""
    was = outbox.terms()
    terms = Terms(destination.from_us, destination.window_us)
    if was == terms:
        return False
    if was is not None and was.window_us != terms.window_us and outbox.counts():
        raise ConfigurationError(
            "windows are not as long as when usage was sent",
            value=destination.name,
            remedy=f'write window = "{was.window_us // _MINUTE_US}m", as it was',
        )
    with outbox.transaction():
        if was is not None:
            outbox.count_anew(now_us)
        outbox.set_terms(terms)
    return was is not None


def _mark(ledger: Ledger, meter: Meter, outbox: Outbox, now_us: int) -> Mark:
    """How far a meter is counted: from the first entry on, where the ledger is another one than it was counted in."""
    known = outbox.mark(meter.name)
    begin = Mark(meter.definition, ledger.id, 0, "")
    if known is None:
        return begin
    _check(ledger, meter, known)
    if known.ledger == ledger.id and known.entry == ledger.entries.id_at(known.seq):
        return known
    with outbox.transaction():
        outbox.forget_totals(meter.name)
        outbox.set_mark(meter.name, begin, now_us)
    return begin


def _check(ledger: Ledger, meter: Meter, known: Mark) -> None:
    if known.definition != meter.definition:
        raise ConfigurationError(
            "a meter is not what it was when its usage was sent",
            value=meter.name,
            remedy="write it as it was, and what it is now under another name",
        )
    ledger.entries.check_has(known.seq, "counted for billing")
