"""Looking at what is booked: the net of each charge, and everything that explains one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from otel_genai_cost.ledger.booking import Position, net
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.store import Ledger, Stored

__all__ = ["Charge", "Explanation", "charges", "explain"]


class Charge(NamedTuple):
    """The net of one charge: a position for each tenant it is split over, none if it was merged into another."""

    charge_id: str
    revision: int
    positions: tuple[Position, ...]
    flags: tuple[str, ...]


class Explanation(NamedTuple):
    """Why a charge is what it is: its members, the entries booked, and the net. `asked` are the observations the
    question named; those that count for no charge have a reason in `Stored.ignored`."""

    asked: tuple[Stored, ...]
    charge: Charge | None
    members: tuple[Stored, ...]
    entries: tuple[Entry, ...]


def charges(ledger: Ledger) -> Iterator[Charge]:
    """The net of every charge, in the order of their first booking; merged ones are left out."""
    for charge_id in ledger.charge_ids():
        charge = _charge(charge_id, ledger.entries_of(charge_id))
        if charge is not None and charge.positions:
            yield charge


def _charge(charge_id: str, entries: list[Entry]) -> Charge | None:
    booked = net(entries)
    if booked is None:
        return None
    flags = tuple(dict.fromkeys(flag for entry in entries for flag in entry.flags))
    return Charge(charge_id, booked.revision, booked.positions, flags)


def explain(ledger: Ledger, prefix: str) -> list[Explanation]:
    """What the ledger knows of an observation, charge, span or trace id, given by at least 8 hex digits.

    One explanation a charge, and one for each observation that counts for none.
    """
    if len(prefix) < 8 or set(prefix.lower()) - set("0123456789abcdef"):
        return []
    asked: dict[str | None, list[Stored]] = {}
    for stored in ledger.find(prefix):
        asked.setdefault(stored.charge_id, []).append(stored)
    return [*_with_charge(ledger, asked), *_without_charge(asked)]


def _with_charge(ledger: Ledger, asked: Mapping[str | None, list[Stored]]) -> Iterator[Explanation]:
    for charge_id, found in asked.items():
        if charge_id is not None:
            entries = ledger.entries_of(charge_id)
            members = tuple(ledger.members_of(charge_id))
            yield Explanation(tuple(found), _charge(charge_id, entries), members, tuple(entries))


def _without_charge(asked: Mapping[str | None, list[Stored]]) -> Iterator[Explanation]:
    for stored in asked.get(None, ()):
        yield Explanation((stored,), None, (), ())
