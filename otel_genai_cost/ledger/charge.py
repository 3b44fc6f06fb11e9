"""What is booked: the net of each charge, and everything that explains one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.posting.post import net
from otel_genai_cost.ledger.storage.rows import Stored
from otel_genai_cost.ledger.storage.scan import Booked
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["Charge", "Explanation", "charges", "explain", "net_charge"]

_READ: Final = 500
"""Charges read at a time."""


class Charge(NamedTuple):
    """The net of one charge.

    Attributes:
        charge_id: 32 hex digits.
        revision: how often it was posted, from 0.
        positions: one for each tenant it is split over; none if it was merged into another charge.
        flags: of all its entries.
        response_id: the provider's, by which an invoice is matched, as the observation nearest to the provider has it.
    """

    charge_id: str
    revision: int
    positions: tuple[Position, ...]
    flags: tuple[str, ...]
    response_id: str | None = None


class Explanation(NamedTuple):
    """Why a charge is what it is.

    Attributes:
        asked: the observations that the question named; those that count for no charge have a reason in
            `Stored.ignored`.
        charge: its net; None for an observation that counts for none.
        members: the observations settled into it.
        entries: everything posted for it, in order.
    """

    asked: tuple[Stored, ...]
    charge: Charge | None
    members: tuple[Stored, ...]
    entries: tuple[Entry, ...]


def charges(ledger: Ledger, charge_ids: Iterable[str] | None = None) -> Iterator[Charge]:
    """The net of charges; merged ones are left out.

    Args:
        ledger: what to read.
        charge_ids: which; default: every one, in the order of their first entry.

    Raises:
        LedgerError: if an entry is damaged.
    """
    found = ledger.scan.charges() if charge_ids is None else _asked(ledger, charge_ids)
    return filter(None, map(net_charge, found))


def net_charge(booked: Booked) -> Charge | None:
    """The net of a charge; None if it was merged into another."""
    charge = _charge(booked.entries, booked.response_id)
    return charge if charge is not None and charge.positions else None


def _asked(ledger: Ledger, charge_ids: Iterable[str]) -> Iterator[Booked]:
    ids = iter(list(charge_ids))
    while part := list(islice(ids, _READ)):
        entries = ledger.entries.by_charge(part)
        response_ids = ledger.observations.response_ids(part)
        for charge_id in part:
            yield Booked(charge_id, entries.get(charge_id, ()), response_ids.get(charge_id))


def _charge(entries: Sequence[Entry], response_id: str | None) -> Charge | None:
    posted = net(entries)
    if posted is None:
        return None
    flags = entries[0].flags
    if len(entries) > 1:
        flags = tuple(dict.fromkeys(flag for entry in entries for flag in entry.flags))
    return Charge(entries[0].charge_id, posted.revision, posted.positions, flags, response_id)


def explain(ledger: Ledger, prefix: str) -> list[Explanation]:
    """What the ledger knows of an id.

    Args:
        ledger: what to read.
        prefix: the first 8 or more hex digits of an observation, charge, span or trace id; or a provider's response
            id, whole.

    Returns:
        One explanation a charge, and one for each observation that counts for none.

    Raises:
        LedgerError: if a row is damaged.
    """
    is_hex = len(prefix) >= 8 and not set(prefix.lower()) - set("0123456789abcdef")
    found = ledger.observations.find(prefix) if is_hex else []
    asked: dict[str | None, list[Stored]] = {}
    for stored in found or ledger.observations.of_response(prefix):
        asked.setdefault(stored.charge_id, []).append(stored)
    return [*_with_charge(ledger, asked), *_without_charge(asked)]


def _with_charge(ledger: Ledger, asked: Mapping[str | None, list[Stored]]) -> Iterator[Explanation]:
    for charge_id, found in asked.items():
        if charge_id is not None:
            entries = ledger.entries.of(charge_id)
            members = tuple(ledger.observations.members_of(charge_id))
            response_id = ledger.observations.response_ids([charge_id]).get(charge_id)
            charge = _charge(entries, response_id)
            yield Explanation(tuple(found), charge, members, tuple(entries))


def _without_charge(asked: Mapping[str | None, list[Stored]]) -> Iterator[Explanation]:
    for stored in asked.get(None, ()):
        yield Explanation((stored,), None, (), ())
