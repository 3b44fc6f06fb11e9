"""What a billing system has, beside what the ledger says it should have: by customer, meter and day of UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from otel_genai_cost.billing.counting import sums_of
from otel_genai_cost.billing.customers import Customers
from otel_genai_cost.billing.destination import Destination
from otel_genai_cost.billing.making import differences, unsent_reason
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.usage_event import Window, units_of
from otel_genai_cost.billing.vendor import DAY_US, Asked, Rules, Vendor
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["Compared", "compared"]


_DAYS_MAX: Final = 31


class Compared(NamedTuple):
    """A day of a customer's meter. Quantities are 1e-18 of the meter's unit.

    Attributes:
        destination: its name.
        customer: as the billing system names it; empty for calls that are nobody's.
        tenants: whose calls these are.
        meter: its name.
        day_us: when it begins, unix microseconds.
        ledger: what the ledger has of windows that have ended.
        vendor: what the billing system has.
        unsent: what of the difference is known here: events that wait, are blocked or were rejected, and what no event
            can be made of.
        reason: of something unsent.
    """

    destination: str
    customer: str
    tenants: tuple[str, ...]
    meter: str
    day_us: int
    ledger: int
    vendor: int
    unsent: int
    reason: str

    @property
    def is_equal(self) -> bool:
        """Whether the billing system has what the ledger has, to the last digit."""
        return self.ledger == self.vendor


class _Day:
    """What adds up to a day of a customer's meter."""

    def __init__(self) -> None:
        self.tenants: set[str] = set()
        self.ledger, self.unsent, self.reason = 0, 0, ""


def compared(
    ledger: Ledger,
    destination: Destination,
    rules: Rules,
    customers: Customers,
    outbox: Outbox,
    vendor: Vendor,
    now_us: int,
) -> Iterator[Compared]:
    """Every day of every customer and meter, from the first entry on; nothing that was counted before is
    believed. Calls without a tenant are nobody's to bill.

    Args:
        ledger: to read.
        destination: whose.
        rules: of its vendor.
        customers: who is which customer.
        outbox: of the destination.
        vendor: that is asked.
        now_us: the time, unix microseconds.
    """
    meters = [(meter, 0) for meter in destination.meters]
    sums = sums_of(ledger.entries, destination, customers.windows, meters)
    ended_us = now_us - destination.delay_us - destination.window_us
    ended = {window: amount for window, amount in sums.items() if window.start_us <= ended_us}
    days = _days(ended, destination, rules, customers)
    _add_unsent(days, outbox)
    _add_unmade(days, destination, rules, customers, outbox)
    asked = _Answers(vendor, days)
    for (customer, _, meter, day_us), day in sorted(days.items()):
        found = asked.of(customer, meter, day_us) if customer else 0
        yield Compared(
            destination=destination.name,
            customer=customer,
            tenants=tuple(sorted(day.tenants)),
            meter=meter,
            day_us=day_us,
            ledger=day.ledger,
            vendor=found,
            unsent=day.unsent,
            reason=day.reason,
        )


class _Answers:
    """What the vendor has, asked for a month at a time."""

    def __init__(self, vendor: Vendor, days: Iterable[tuple[str, str, str, int]]) -> None:
        self._vendor = vendor
        self._last_us = max((day_us for *_, day_us in days), default=0)
        self._known: dict[tuple[str, str], tuple[int, Mapping[int, int]]] = {}

    def of(self, customer: str, meter: str, day_us: int) -> int:
        """A day's; days have to come in order."""
        until_us, found = self._known.get((customer, meter), (0, {}))
        if day_us >= until_us:
            until_us = min(day_us + _DAYS_MAX * DAY_US, self._last_us + DAY_US)
            found = self._vendor.quantities(Asked(customer, meter, day_us, until_us))
            self._known[customer, meter] = until_us, found
        return found.get(day_us, 0)


_Days = dict[tuple[str, str, str, int], _Day]
"""By customer, tenant where that is nobody's, meter and day."""


def _days(
    sums: Mapping[Window, int], destination: Destination, rules: Rules, customers: Customers
) -> _Days:
    meters = {meter.name: meter for meter in destination.meters}
    days: _Days = {}
    for window, total in sums.items():
        meter = meters[window.meter]
        customer = customers.of(window)
        if not window.tenant:
            continue
        amount = units_of(total, meter.unit, rules.decimals)
        reason = unsent_reason(window, meter, customer)
        nobodys = "" if customer else window.tenant
        day = _day(days, (customer or "", nobodys), window.meter, window.start_us)
        day.tenants.add(window.tenant)
        day.ledger += amount
        if reason:
            day.unsent, day.reason = day.unsent + amount, reason
    return days


def _day(days: _Days, whose: tuple[str, str], meter: str, us: int) -> _Day:
    return days.setdefault((*whose, meter, us - us % DAY_US), _Day())


def _add_unsent(days: _Days, outbox: Outbox) -> None:
    for state in ("waiting", "blocked", "rejected"):
        for one in outbox.in_state(state):
            event = one.event
            day = _day(days, (event.customer, ""), event.meter, event.start_us)
            day.unsent += event.quantity
            day.reason = one.reason or state
            day.tenants.add(event.tenant)
    for one in outbox.in_state("accepted"):
        event = one.event
        _day(days, (event.customer, ""), event.meter, event.start_us).tenants.add(event.tenant)


def _add_unmade(
    days: _Days, destination: Destination, rules: Rules, customers: Customers, outbox: Outbox
) -> None:
    """What lowers a sum that was sent, where that cannot be sent. What is nobody's, or in another currency, was counted
    from the ledger."""
    meters = {meter.name: meter for meter in destination.meters}
    for total in outbox.unsent():
        meter, customer = meters.get(total.window.meter), customers.of(total.window)
        if meter is None or unsent_reason(total.window, meter, customer):
            continue
        amount = units_of(total.sum, meter.unit, rules.decimals)
        _, sent = outbox.sent_of(total.n)
        for one, lacking in differences(amount, customer, sent).items():
            day = _day(days, (one, ""), meter.name, total.window.start_us)
            day.unsent += lacking
            day.reason = total.unsent
            day.tenants.add(total.window.tenant)
