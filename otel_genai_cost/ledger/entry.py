"""The money: signed, append-only entries. Every total anywhere is a SUM over them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.cost import Line, rate_of
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.tenancy.attribution import Attribution

__all__ = ["CAUSES", "Entry", "entry_id", "entry_of", "entry_record", "line_of", "line_record"]

CAUSES: Final = (
    "charged",
    "enriched",
    "duplicate",
    "reattributed",
    "rerated",
    "reconciled",
    "unlinked",
)


def entry_id(charge_id: str, revision: int, place: int) -> str:
    """32 hex digits; `place` is the entry's place within the revision, reversals first."""
    key = bytes.fromhex(charge_id) + revision.to_bytes(8, "big") + place.to_bytes(4, "big")
    return blake2b(key, digest_size=16).hexdigest()


class Entry(NamedTuple):
    """One signed booking. Times are unix microseconds, UTC; `amount` is atto and equals the sum of its lines.

    `seq` is given by the ledger, gapless from 1. `calls` and `unpriced` are +1, 0 or -1, so that sums over entries
    count charges. `reason` and `quality` speak of the charge after the booking. `contracts` is the sha256 of the
    contracts that the lines follow, None where only the list price counts.
    """

    seq: int
    id: str
    charge_id: str
    revision: int
    cause: str
    cause_id: str | None
    occurred_us: int
    booked_us: int
    attribution: Attribution
    service: str | None
    provider: str | None
    model: str | None
    operation: str | None
    reason: str | None
    quality: str
    calls: int
    unpriced: int
    usage: Mapping[str, int]
    lines: tuple[Line, ...]
    amount: int
    currency: str
    book: str | None
    flags: tuple[str, ...] = ()
    contracts: str | None = None


def line_record(line: Line) -> dict[str, object]:
    """A line as JSON: money as decimal strings, the price as it was published."""
    record: dict[str, object] = {
        "kind": line.kind,
        "leaf": line.leaf,
        "quantity": line.quantity,
        "unit_price": line.rate.unit_price,
        "per": line.rate.per,
        "amount": format_money(line.amount),
    }
    if line.contract is not None:
        record["contract"] = line.contract
    return record


def line_of(record: Mapping[str, Any]) -> Line:
    """The line of a `line_record`."""
    return Line(
        record["kind"],
        record["leaf"],
        record["quantity"],
        rate_of(record["unit_price"], record["per"]),
        parse_money(record["amount"]),
        record.get("contract"),
    )


def entry_record(entry: Entry) -> dict[str, Any]:
    """An entry as JSON: what the ledger stores and `genai-cost entries --json` prints, but for the times' spelling."""
    record: dict[str, Any] = entry._asdict()
    attribution = entry.attribution
    del record["attribution"]
    record["tenant"], record["tenant_source"] = attribution.tenant, attribution.source
    record["absent"], record["initiator"] = attribution.absent, attribution.initiator
    record["labels"] = dict(attribution.labels)
    record["usage"] = dict(entry.usage)
    record["lines"] = [line_record(line) for line in entry.lines]
    record["amount"] = format_money(entry.amount)
    return record


def entry_of(record: Mapping[str, Any]) -> Entry:
    """The entry of an `entry_record`."""
    attribution = Attribution(
        record["tenant"],
        record["tenant_source"],
        record["absent"],
        record["initiator"],
        record["labels"],
    )
    fields: dict[str, Any] = {
        **{key: record[key] for key in Entry._fields if key in record},
        "attribution": attribution,
        "lines": tuple(line_of(line) for line in record["lines"]),
        "amount": parse_money(record["amount"]),
        "flags": tuple(record["flags"]),
    }
    return Entry(**fields)
