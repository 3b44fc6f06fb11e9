"""Who is which customer of a destination, and when; and what is looked at again once that is another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TypeAlias

from otel_genai_cost.billing.destination import Destination
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.usage_event import Window
from otel_genai_cost.billing.windows import Windows
from otel_genai_cost.ledger.tenants.directory import NOT_REGISTERED, Directory
from otel_genai_cost.ledger.tenants.row import FOREVER_US

__all__ = ["Customers", "Stretches", "note_customers"]

Stretches: TypeAlias = Sequence[Sequence[int | str | None]]
"""From when on (unix microseconds) a tenant is which customer, each another than the one before; the first is from the
beginning of time."""

_OTHERS = ""
"""Whoever neither the destination nor the registry speaks of."""


class Customers:
    """Who is which customer of a destination, at the time of a call.

    Args:
        destination: it.
        directory: who a tenant is at a time.
    """

    def __init__(self, destination: Destination, directory: Directory = NOT_REGISTERED) -> None:
        self._known, self._names = destination.customers, destination.names_tenants
        self._directory, self._length_us = directory, destination.window_us
        vendor = destination.vendor
        self._places = (destination.name, vendor, vendor.partition("-")[0])

    def of(self, window: Window) -> str | None:
        """The customer of a window, or of a part of one; None if nobody said."""
        return self._at(window.tenant, window.start_us) if window.tenant else None

    def _at(self, tenant: str, us: int) -> str | None:
        piece = self._directory.at(tenant, us)
        if piece is not None:
            tenant = piece.row.tenant
        if tenant in self._known:
            return self._known[tenant]
        ids = {} if piece is None else dict(piece.row.billing.billing_ids)
        found = next((ids[place] for place in self._places if place in ids), None)
        return found or (tenant if self._names else None)

    def every(self, more: Iterable[str] = ()) -> dict[str, Stretches]:
        """When each tenant is which customer.

        Args:
            more: tenants beside those that the destination and the registry speak of.
        """
        tenants = {*self._directory.pieces, *self._known, *more} - {_OTHERS}
        others = [[-FOREVER_US, "its id" if self._names else None]]
        return {_OTHERS: others, **{one: self._stretches(one) for one in sorted(tenants)}}

    def _stretches(self, tenant: str) -> Stretches:
        pieces = self._directory.pieces.get(tenant, ())
        found: list[list[int | str | None]] = []
        for us in sorted({-FOREVER_US, *(us for piece in pieces for us in piece[:2])}):
            customer = self._at(tenant, us)
            if not found or found[-1][1] != customer:
                found.append([us, customer])
        return found

    @cached_property
    def windows(self) -> Windows:
        """The windows, in parts where a tenant becomes another customer within one."""
        splits = {
            tenant: within
            for tenant in self._directory.pieces
            if (within := _within(self._stretches(tenant), self._length_us))
        }
        return Windows(self._length_us, splits)


def _within(stretches: Stretches, length_us: int) -> list[int]:
    """When somebody becomes another customer within a window."""
    return [us for us, _ in stretches[1:] if isinstance(us, int) and us % length_us]


def note_customers(
    destination: Destination, customers: Customers, outbox: Outbox, now_us: int
) -> bool:
    """Have what was sent looked at again where somebody is another customer than the last time.

    Args:
        destination: whose.
        customers: who is which customer now.
        outbox: of it.
        now_us: the time, unix microseconds.

    Returns:
        Whether windows that were counted have other parts, and all of them are counted anew.
    """
    was = outbox.customers()
    known = customers.every(was)
    changed = [one for one, stretches in known.items() if was.get(one) != stretches]
    if not changed:
        return False
    length_us = destination.window_us
    is_cut_anew = any(
        outbox.has_window(tenant, us - us % length_us, length_us)
        for tenant in changed
        for us in {*_within(was.get(tenant, ()), length_us)} ^ {*_within(known[tenant], length_us)}
    )
    with outbox.transaction():
        if is_cut_anew:
            outbox.count_anew(now_us)
        elif _OTHERS in changed:
            outbox.look_again()
        else:
            for tenant in changed:
                outbox.look_again(tenant)
        outbox.set_customers(known)
    return is_cut_anew
