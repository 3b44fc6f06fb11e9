"""Events are made of windows that have ended: of what the ledger has, less what was made of it before. Pure but for the
outbox, in which they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from otel_genai_cost.billing.customers import Customers
from otel_genai_cost.billing.destination import Destination
from otel_genai_cost.billing.meter import Meter
from otel_genai_cost.billing.outbox import Outbox, Total
from otel_genai_cost.billing.usage_event import UsageEvent, Window, event_id, units_of
from otel_genai_cost.billing.vendor import Rules
from otel_genai_cost.billing.windows import Windows

__all__ = ["differences", "make_events", "unsent_reason"]

_BATCH: Final = 200
_LOWERS: Final = "it lowers what was sent, which this billing system cannot take"


def differences(amount: int, customer: str | None, sent: Mapping[str, int]) -> dict[str, int]:
    """What each customer's events lack, or have too much, in the order of their names.

    Args:
        amount: what the window comes to.
        customer: whose it is; None if nobody's, then what was sent stays.
        sent: what the events of each customer came to.
    """
    if customer is None:
        return {}
    wanted = {**dict.fromkeys(sent, 0), customer: amount}
    found = {one: wanted[one] - sent.get(one, 0) for one in sorted(wanted)}
    return {one: lacking for one, lacking in found.items() if lacking}


def make_events(
    destination: Destination,
    rules: Rules,
    customers: Customers,
    outbox: Outbox,
    seq: int,
    now_us: int,
) -> int:
    """Make the events of every window that has ended and may have changed.

    Args:
        destination: whose.
        rules: of its vendor.
        customers: who is which customer.
        outbox: where they are kept.
        seq: the last entry that was counted.
        now_us: the time, unix microseconds.

    Returns:
        How many were made.
    """
    meters = {meter.name: meter for meter in destination.meters}
    before_us = now_us - destination.delay_us - destination.window_us + 1
    totals = [one for one in outbox.dirty(before_us) if one.window.meter in meters]
    made = 0
    for begin in range(0, len(totals), _BATCH):
        with outbox.transaction():
            for total in totals[begin : begin + _BATCH]:
                meter, customer = meters[total.window.meter], customers.of(total.window)
                unsent = unsent_reason(total.window, meter, customer)
                events = (
                    []
                    if unsent
                    else _events(total, meter, customer, customers.windows, rules, outbox)
                )
                if not rules.negative and any(one.quantity < 0 for one in events):
                    events, unsent = [], _LOWERS
                if unsent and unsent == total.unsent:  # as it is on file
                    continue
                outbox.make(total, events, seq, now_us, unsent)
                made += len(events)
    return made


def unsent_reason(window: Window, meter: Meter, customer: str | None) -> str:
    """Why no event can be made of a window; empty if one can.

    Args:
        window: it.
        meter: that counted it.
        customer: whose it is; None if nobody's.
    """
    if meter.currency:
        currency = json.loads(window.properties)["currency"]
        if currency != meter.currency:
            return f"it is in {currency}, and the meter counts {meter.currency}"
    if customer is None:
        return "nobody said which customer this tenant is" if window.tenant else "it has no tenant"
    return ""


def _events(
    total: Total,
    meter: Meter,
    customer: str | None,
    windows: Windows,
    rules: Rules,
    outbox: Outbox,
) -> list[UsageEvent]:
    revision, sent = outbox.sent_of(total.n)
    amount = units_of(total.sum, meter.unit, rules.decimals)
    window = total.window
    return [
        UsageEvent(
            id=event_id(window, number),
            customer=one,
            tenant=window.tenant,
            meter=window.meter,
            quantity=lacking,
            start_us=window.start_us,
            length_us=windows.length(window.tenant, window.start_us),
            properties=json.loads(window.properties),
            revision=number,
        )
        for number, (one, lacking) in enumerate(
            differences(amount, customer, sent).items(), start=revision + 1
        )
    ]
