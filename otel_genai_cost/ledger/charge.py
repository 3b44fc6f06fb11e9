"""Looking at what is booked: the net of each charge, and everything that explains one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from otel_genai_cost.journal.observation import to_record
from otel_genai_cost.ledger.entry import Entry, entry_of
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.posting.post import net
from otel_genai_cost.ledger.storage.store import Ledger, Stored

__all__ = ["Charge", "Explanation", "charges", "explain"]

_READ: Final = 500
"""Charges read at a time."""


class Charge(NamedTuple):
    """The net of one charge: a position for each tenant it is split over, none if it was merged into another.

    `response_id` is the provider's, by which an invoice is matched, as the observation nearest to the provider has it.
    """

    charge_id: str
    revision: int
    positions: tuple[Position, ...]
    flags: tuple[str, ...]
    response_id: str | None = None


class Explanation(NamedTuple):
    """Why a charge is what it is: its members, the entries booked, and the net. `asked` are the observations the
    question named; those that count for no charge have a reason in `Stored.ignored`."""

    asked: tuple[Stored, ...]
    charge: Charge | None
    members: tuple[Stored, ...]
    entries: tuple[Entry, ...]


def charges(ledger: Ledger, charge_ids: Iterable[str] | None = None) -> Iterator[Charge]:
    """The net of charges; merged ones are left out.

    Args:
        ledger: what to read.
        charge_ids: which; default: every one, in the order of their first booking.
    """
    ids = iter(ledger.charge_ids() if charge_ids is None else list(charge_ids))
    while part := list(islice(ids, _READ)):
        entries, members = ledger.records_by_charge(part)
        for charge_id in part:
            records = entries.get(charge_id, [])
            booked = ledger.read_row("entry", charge_id, partial(_entries, records))
            charge = _charge(charge_id, booked, members.get(charge_id, ()))
            if charge is not None and charge.positions:
                yield charge


def _entries(records: list[dict[str, Any]]) -> list[Entry]:
    return [entry_of(record) for record in records]


def _charge(
    charge_id: str, entries: list[Entry], members: Sequence[Mapping[str, Any]]
) -> Charge | None:
    booked = net(entries)
    if booked is None:
        return None
    flags = tuple(dict.fromkeys(flag for entry in entries for flag in entry.flags))
    return Charge(
        charge_id, booked.revision, booked.positions, flags, _response_id(charge_id, members)
    )


def _response_id(charge_id: str, members: Sequence[Mapping[str, Any]]) -> str | None:
    """The founding member's, whose span ended first and is the client's own, else the first that another names."""
    told = sorted(members, key=lambda member: member["id"] != charge_id)
    return next((one["response_id"] for one in told if one.get("response_id")), None)


def explain(ledger: Ledger, prefix: str) -> list[Explanation]:
    """What the ledger knows of an observation, charge, span or trace id, given by at least 8 hex digits, or of a
    provider's response id, given whole.

    One explanation a charge, and one for each observation that counts for none.
    """
    is_hex = len(prefix) >= 8 and not set(prefix.lower()) - set("0123456789abcdef")
    found = ledger.find(prefix) if is_hex else []
    asked: dict[str | None, list[Stored]] = {}
    for stored in found or ledger.lookup.response(prefix):
        asked.setdefault(stored.charge_id, []).append(stored)
    return [*_with_charge(ledger, asked), *_without_charge(asked)]


def _with_charge(ledger: Ledger, asked: Mapping[str | None, list[Stored]]) -> Iterator[Explanation]:
    for charge_id, found in asked.items():
        if charge_id is not None:
            entries = ledger.entries_of(charge_id)
            members = tuple(ledger.members_of(charge_id))
            records = [to_record(one.observation) for one in members]
            charge = _charge(charge_id, entries, records)
            yield Explanation(tuple(found), charge, members, tuple(entries))


def _without_charge(asked: Mapping[str | None, list[Stored]]) -> Iterator[Explanation]:
    for stored in asked.get(None, ()):
        yield Explanation((stored,), None, (), ())
