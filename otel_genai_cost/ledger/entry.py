"""The money: signed, append-only entries. Every total anywhere is a SUM over them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from otel_genai_cost.attributes import LABELS
from otel_genai_cost.pricing.cost import Line, bounds_of, bounds_record, price_of, rate_of
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.vocabulary import SIDES, Cause, Quality, Reason, word

__all__ = [
    "Entry",
    "entry_id",
    "entry_json",
    "entry_of",
    "entry_record",
    "id_of_entry",
    "line_of",
    "line_record",
    "tokens_of",
]

_OUTPUT: Final = ("output", "output_audio", "output_image", "reasoning")
_NO_LABELS: Final = dict.fromkeys(LABELS)
_INPUT_PREFIXES: Final = ("input", "cache_")


def entry_id(charge_id: str, revision: int, place: int) -> str:
    """The id of an entry: 32 hex digits that follow from what it is about, so that posting it twice is noticed.

    Args:
        charge_id: 32 hex digits.
        revision: how often the charge was posted before.
        place: the entry's place within the revision, reversals first.
    """
    return id_of_entry(bytes.fromhex(charge_id), revision, place)


def id_of_entry(charge: bytes, revision: int, place: int) -> str:
    """The id of an entry: see `entry_id`.

    Args:
        charge: the bytes of the charge's id.
        revision: how often the charge was posted before.
        place: the entry's place within the revision.
    """
    key = charge + (revision << 32 | place).to_bytes(12, "big")
    return blake2b(key, digest_size=16).hexdigest()


class Entry(NamedTuple):
    """One signed posting. Times are unix microseconds, UTC.

    Attributes:
        seq: given by the ledger, gapless from 1; 0 before.
        id: see `entry_id`.
        charge_id: the charge it is about, 32 hex digits.
        revision: how often that charge was posted before.
        cause: why it was posted.
        cause_id: what brought it about: an observation's id, or the digest of a book or of contracts.
        occurred_us: when the call ended.
        booked_us: when it was posted.
        attribution: for whom.
        service, provider, model, operation: what was called, and by which service.
        reason, quality: of the charge after the posting.
        calls, unpriced: +1, 0 or -1, so that sums over entries count charges.
        usage: by leaf, signed.
        lines: what the amount and the price are made of.
        amount: atto; the cost, the sum of the lines of that side.
        currency: of the amount, ISO 4217 code or a unit of one's own.
        book: the sha256 of the price book.
        flags: `late`, `conflict`, `tenant_conflict`; `book_missing` where the book was not to be had by which it should
            have been rated.
        contracts: the sha256 of the contracts that the lines follow, None where only the list price counts.
        bounds: atto; the least and the most that the charge can be at list prices, where its figure rests on a
            provider's default.
        billed_in: the currency of the price, where it is another than that of the amount.
    """

    seq: int
    id: str
    charge_id: str
    revision: int
    cause: Cause
    cause_id: str | None
    occurred_us: int
    booked_us: int
    attribution: Attribution
    service: str | None
    provider: str | None
    model: str | None
    operation: str | None
    reason: Reason | None
    quality: Quality
    calls: int
    unpriced: int
    usage: Mapping[str, int]
    lines: tuple[Line, ...]
    amount: int
    currency: str
    book: str | None
    flags: tuple[str, ...] = ()
    contracts: str | None = None
    bounds: tuple[int, int] | None = None
    billed_in: str | None = None

    @property
    def price(self) -> int:
        """Atto; what the customer pays: the sum of all lines, or, in another currency, of those of the price."""
        return price_of(self.lines, self.amount, self.billed_in)

    @property
    def price_currency(self) -> str:
        """The currency of the price."""
        return self.billed_in or self.currency


def line_record(line: Line) -> dict[str, object]:
    """A line as JSON: money as decimal strings, the price as it was published."""
    kind, leaf, quantity, rate, amount, contract, side = line
    record: dict[str, object] = {
        "kind": kind,
        "side": side,
        "leaf": leaf,
        "quantity": quantity,
        "unit_price": rate.unit_price,
        "per": rate.per,
        "amount": format_money(amount),
    }
    if contract is not None:
        record["contract"] = contract
    return record


def line_of(record: Mapping[str, Any]) -> Line:
    """The line of a `line_record`."""
    return Line(
        record["kind"],
        record["leaf"],
        record["quantity"],
        rate_of(record["unit_price"], record["per"]),
        parse_money(record["amount"]),
        contract=record.get("contract"),
        side=word(record.get("side"), SIDES, "cost"),
    )


def entry_record(entry: Entry) -> dict[str, Any]:
    """An entry as JSON: what the ledger stores and `genai-cost entries --json` prints, but for the times' spelling."""
    attribution = entry.attribution
    record = {
        "seq": entry.seq,
        "id": entry.id,
        "charge_id": entry.charge_id,
        "revision": entry.revision,
        "cause": entry.cause,
        "cause_id": entry.cause_id,
        "occurred_us": entry.occurred_us,
        "booked_us": entry.booked_us,
        "service": entry.service,
        "provider": entry.provider,
        "model": entry.model,
        "operation": entry.operation,
        "reason": entry.reason,
        "quality": entry.quality,
        "calls": entry.calls,
        "unpriced": entry.unpriced,
        "usage": dict(entry.usage),
        "lines": [line_record(line) for line in entry.lines],
        "amount": format_money(entry.amount),
        "currency": entry.currency,
        "price": format_money(entry.price),
        "price_currency": entry.price_currency,
        "book": entry.book,
        "flags": entry.flags,
        "contracts": entry.contracts,
        "tenant": attribution.tenant,
        "tenant_source": attribution.source,
        "absent": attribution.absent,
        "initiator": attribution.initiator,
        "labels": dict(attribution.labels),
    }
    if entry.bounds is not None:
        record["bounds"] = bounds_record(entry.bounds)
    return record


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry as others script against it: what `genai-cost entries --json` prints."""
    record = entry_record(entry)
    labels = record.pop("labels")
    record["occurred"], record["booked"] = rfc3339(entry.occurred_us), rfc3339(entry.booked_us)
    del record["occurred_us"], record["booked_us"]
    record.update(_NO_LABELS)
    for name, value in labels.items():
        if name in LABELS:
            record[name] = value
    return record


def tokens_of(entry: Entry) -> tuple[int, int]:
    """Tokens in and out, signed, whatever they are priced at."""
    inward = outward = 0
    for leaf, n in entry.usage.items():
        if leaf in _OUTPUT:
            outward += n
        elif leaf.startswith(_INPUT_PREFIXES):
            inward += n
    return inward, outward


def entry_of(record: Mapping[str, Any]) -> Entry:
    """The entry of an `entry_record`.

    Raises:
        KeyError, TypeError, ValueError: if it is none.
    """
    attribution = Attribution(
        record["tenant"],
        record["tenant_source"],
        record["absent"],
        record["initiator"],
        record["labels"],
    )
    entry = Entry(
        seq=record["seq"],
        id=record["id"],
        charge_id=record["charge_id"],
        revision=record["revision"],
        cause=record["cause"],
        cause_id=record["cause_id"],
        occurred_us=record["occurred_us"],
        booked_us=record["booked_us"],
        attribution=attribution,
        service=record["service"],
        provider=record["provider"],
        model=record["model"],
        operation=record["operation"],
        reason=record["reason"],
        quality=record["quality"],
        calls=record["calls"],
        unpriced=record["unpriced"],
        usage=record["usage"],
        lines=tuple(map(line_of, record["lines"])),
        amount=parse_money(record["amount"]),
        currency=record["currency"],
        book=record["book"],
        flags=tuple(record["flags"]),
        contracts=record.get("contracts"),
        bounds=bounds_of(record.get("bounds")),
    )
    if (billed_in := record.get("price_currency", entry.currency)) != entry.currency:
        entry = entry._replace(billed_in=billed_in)
    _check_numbers(entry)
    return entry


def _check_numbers(entry: Entry) -> None:
    """Raise TypeError where a number that is summed is none: JSON that is whole may still be damaged."""
    numbers = (entry.revision, entry.occurred_us, entry.booked_us, entry.calls, entry.unpriced)
    quantities = (*entry.usage.values(), *(line.quantity for line in entry.lines))
    if not {int}.issuperset(map(type, (*numbers, *quantities))):
        raise TypeError("a number of it is none")
