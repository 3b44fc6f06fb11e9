"""The receipt of a charge: every observation of it, why they are one, and each line's arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from otel_genai_cost.attributes import LABELS
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.charge import Charge, Explanation
from otel_genai_cost.ledger.entry import Entry, entry_json, line_record
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.storage.store import Stored
from otel_genai_cost.ledger.tenants.directory import NOT_REGISTERED, Directory
from otel_genai_cost.pricing.book import Price
from otel_genai_cost.pricing.cost import Line, bounds_record, cost_of, price_of, quality_of
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.endings import BookOf, ending_record, ending_text
from otel_genai_cost.reports.printable import printable
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.words import ABSENT, IGNORED, REASONS, RULES

__all__ = ["BookOf", "charge_record", "lacking", "receipt_record", "receipt_text", "status_of"]

_NO_LABELS: Final = dict.fromkeys(LABELS)


def charge_record(charge: Charge) -> Iterator[dict[str, Any]]:
    """The net of a charge as others script against it: one object for each tenant it is split over."""
    for position in charge.positions:
        fields: list[Any] = [*position]
        occurred_us, whom, service, provider, model, operation, currency, reason, *more = fields
        quality, book, calls, unpriced, usage, lines, contracts, bounds, billed_in = more
        tenant, source, absent, initiator, labels, _ = whom
        amount = cost_of(lines)
        cost_text = format_money(amount)
        price = price_of(lines, amount, billed_in)
        price_text = cost_text if price == amount else format_money(price)
        yield {
            "charge_id": charge.charge_id,
            "occurred": rfc3339(occurred_us),
            "tenant": tenant,
            "tenant_source": source,
            "absent": absent,
            "initiator": initiator,
            **_NO_LABELS,
            **{name: value for name, value in labels.items() if name in LABELS},
            "service": service,
            "provider": provider,
            "model": model,
            "operation": operation,
            "status": status_of(position),
            "reason": reason,
            "quality": quality,
            "calls": calls,
            "unpriced": unpriced,
            "usage": dict(usage),
            "lines": [line_record(line) for line in lines],
            "amount": cost_text,
            "total": None if unpriced else cost_text,
            **({} if bounds is None else {"bounds": bounds_record(bounds)}),
            "currency": currency,
            "price": price_text,
            "total_price": None if unpriced else price_text,
            "price_currency": billed_in or currency,
            "revision": charge.revision,
            "book": book,
            "contracts": contracts,
            "flags": list(charge.flags),
            "response_id": charge.response_id,
            "lacks": list(lacking(position)),
        }


def lacking(position: Position) -> tuple[str, ...]:
    """The leaves of its usage that no line prices, where that is why its total is not known."""
    if position.reason != "unpriced_component":
        return ()
    priced = {line.leaf for line in position.lines}
    return tuple(leaf for leaf, n in position.usage.items() if n and leaf not in priced)


def status_of(position: Position) -> str:
    """Whether a position has a price: `priced`, `partial` where it is known of a part of its usage, or `unpriced`."""
    if not position.unpriced:
        return "priced"
    return "partial" if position.lines else "unpriced"


def receipt_record(found: Explanation, book_of: BookOf) -> dict[str, Any]:
    """The receipt as JSON."""
    price = _price(found, book_of)
    return {
        "charge_id": found.charge.charge_id if found.charge else None,
        "response_id": found.charge.response_id if found.charge else None,
        "net": list(charge_record(found.charge)) if found.charge else [],
        "observations": [_member_record(one, book_of) for one in found.members or found.asked],
        "entries": [entry_json(entry) for entry in found.entries],
        "price": None
        if price is None
        else {
            "id": price.id,
            "valid_from": rfc3339(price.valid_from_us),
            "valid_to": None if price.valid_to_us is None else rfc3339(price.valid_to_us),
            "recorded_at": rfc3339(price.recorded_at_us),
            "source": price.source._asdict(),
        },
    }


def _member_record(stored: Stored, book_of: BookOf) -> dict[str, Any]:
    one = stored.observation
    return {
        "observation_id": one.id,
        "trace_id": one.trace_id,
        "span_id": one.span_id,
        "scope": one.scope,
        "dialect": one.dialect,
        "rule": stored.rule,
        "ignored": stored.ignored,
        "start": rfc3339(one.start_us),
        "end": rfc3339(one.end_us),
        "model_requested": one.reading.model_requested,
        "model_returned": one.reading.model_returned,
        "model_resolved": one.cost.model_resolved,
        "usage": dict(one.reading.usage.leaves),
        "response_id": one.reading.response_id,
        "quality": quality_of(one.reading.usage, one.cost),
        "doubts": list(one.reading.doubts),
        "status": one.cost.status,
        "reason": one.cost.reason,
        "total": one.cost.total_text,
        "price_id": one.cost.price_id,
        **({} if one.cost.bounds is None else {"bounds": bounds_record(one.cost.bounds)}),
        **ending_record(one, book_of),
    }


def _price(found: Explanation, book_of: BookOf) -> Price | None:
    """The row that the charge's figure comes from."""
    for stored in reversed(found.members):
        cost = stored.observation.cost
        if cost.price_id and cost.book and (book := book_of(cost.book)) is not None:
            return book.price(cost.price_id)
    return None


def receipt_text(found: Explanation, book_of: BookOf, directory: Directory = NOT_REGISTERED) -> str:
    """The receipt as a person reads it.

    Args:
        found: a call.
        book_of: a price book by its digest, None if it is not kept any more.
        directory: who the tenants are, for their names.
    """
    charge = found.charge
    if charge is None:
        lines: Iterable[str] = _uncharged(found.asked[0], book_of)
    else:
        lines = _receipt(found, charge, book_of, directory)
    return "\n".join(map(printable, lines))


def _receipt(
    found: Explanation, charge: Charge, book_of: BookOf, directory: Directory
) -> list[str]:
    lines = [f"Charge {charge.charge_id}"]
    for position in charge.positions:
        lines += ["", *_position_text(position, directory)]
    if not charge.positions:
        lines += ["", "  merged into another charge: its net is nothing"]
    lines += _price_text(_price(found, book_of))
    reported = (line for one in found.members for line in _member_text(one, book_of))
    lines += ["", "Reported by", *reported]
    lines += _first_figures(found)
    lines += ["", "Booked", *(_entry_text(entry) for entry in found.entries)]
    return lines


def _uncharged(stored: Stored, book_of: BookOf) -> Iterator[str]:
    """An observation that is part of no charge."""
    one = stored.observation
    reason = IGNORED.get(stored.ignored or "", "it is not settled yet: `genai-cost ship --drain`")
    yield f"Observation {one.id} is not charged: {reason}."
    yield from _member_text(stored, book_of)


def _position_text(position: Position, directory: Directory) -> Iterator[str]:
    attribution = position.attribution
    yield _fact("when", rfc3339(position.occurred_us))
    if attribution.tenant is not None:
        who = shown_tenant(directory, attribution.tenant, position.occurred_us)
        yield _fact("tenant", f"{who}   (from {attribution.source})")
    else:
        why = ABSENT.get(attribution.absent or "", attribution.absent or "")
        yield _fact("tenant", f"none: {attribution.absent}; {why}")
    for label, value in attribution.labels.items():
        yield _fact(label, value)
    yield _fact(
        "call", " · ".join(filter(None, (position.provider, position.model, position.operation)))
    )
    yield _fact("status", _status_text(position))
    for line in position.lines:
        if line.side == "cost":
            yield "  " + _line_text(line)
    if position.contracts is not None:
        yield _fact("contracts", position.contracts)
    if position.lines or not position.unpriced:
        label = "at least" if position.unpriced else "total"
        yield _sum_text(label, position.amount, position.currency)
    yield from _price_side_text(position)
    if position.bounds is not None:
        yield _fact("bounds", _bounds_text(position.bounds, position.currency))


def _price_side_text(position: Position) -> Iterator[str]:
    """What the customer pays, where that is another figure than the cost."""
    lines = [line for line in position.lines if line.side == "price"]
    if not lines and position.billed_in is None:
        return
    for line in lines:
        yield "  " + _line_text(line)
    if lines:
        label = "price at least" if position.unpriced else "price"
        yield _sum_text(label, position.price, position.price_currency)
    else:
        yield _fact("price", f"not known in {position.price_currency}")


def _sum_text(label: str, amount: int, currency: str) -> str:
    return f"  {label:<16} {'':>10} {'':>3} {'':>27} {format_money(amount):>20} {currency}"


def _status_text(position: Position) -> str:
    status = status_of(position)
    if position.bounds is not None:
        status += ", estimated"
    elif position.quality not in ("reported", "unknown"):
        status += f", usage {position.quality}"
    if position.reason is None:
        return status
    lacks = lacking(position)
    missing = f" (no rate for {', '.join(lacks)})" if lacks else ""
    return f"{status}: {position.reason}{missing}; {REASONS.get(position.reason, '')}"


def _bounds_text(bounds: tuple[int, int], currency: str) -> str:
    low, high = bounds_record(bounds).values()
    return f"{low} to {high} {currency} at list prices: the total takes the provider's default"


def _line_text(line: Line) -> str:
    price = f"{line.rate.unit_price} per {line.rate.per:,}"
    leaf = line.leaf if line.kind in ("list", "share") else f"{line.kind} {line.leaf}"
    text = f"{leaf:<16} {line.quantity:>10,}  x  {price:<27} = {format_money(line.amount):>18}"
    return text if line.contract is None else f"{text}   ({line.contract})"


def _price_text(price: Price | None) -> list[str]:
    if price is None:
        return []
    until = "now" if price.valid_to_us is None else rfc3339(price.valid_to_us)
    return [
        "",
        f"Price row {price.id}",
        _fact("in force", f"{rfc3339(price.valid_from_us)} to {until}"),
        _fact("learned", rfc3339(price.recorded_at_us)),
        _fact("source", f"{price.source.name}, seen {price.source.seen_at}"),
        _fact("", price.source.url),
    ]


def _member_text(stored: Stored, book_of: BookOf) -> Iterator[str]:
    one = stored.observation
    reading = one.reading
    yield f"  span {one.span_id} of trace {one.trace_id}   {RULES.get(stored.rule, '') if stored.charge_id else ''}"
    yield _fact("by", f"{one.scope} {one.scope_version}, read as {one.dialect}", 4)
    models = (reading.model_requested, reading.model_returned, one.cost.model_resolved)
    yield _fact(
        "model", "requested {}, returned {}, resolved {}".format(*(m or "-" for m in models)), 4
    )
    if reading.response_id is not None:
        yield _fact("response", reading.response_id, 4)
    yield _fact("usage", _usage_text(one), 4)
    for label, text in ending_text(one, book_of):
        yield _fact(label, text, 4)
    if reading.doubts:
        yield _fact("doubts", ", ".join(reading.doubts), 4)
    yield _fact("figure", _figure(one), 4)


def _usage_text(one: Observation) -> str:
    usage = one.reading.usage
    leaves = ", ".join(
        f"{leaf} {quantity:,}" for leaf, quantity in usage.leaves.items() if quantity
    )
    totals = f"input {_number(usage.input_total)}, output {_number(usage.output_total)}"
    return f"{leaves or 'none'}   ({totals}; {usage.quality})"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _figure(one: Observation) -> str:
    cost = one.cost
    text = f"{cost.status} {cost.total_text or ''}".strip()
    if cost.reason:
        text += f" ({cost.reason}: {REASONS.get(cost.reason, '')})"
    if cost.bounds is not None:
        text += f"; {_bounds_text(cost.bounds, cost.currency)}"
    if one.duplicate_of:
        text += f"; shown on the span as a duplicate of {one.duplicate_of}"
    if one.reading.foreign_cost:
        text += f"; another library said {one.reading.foreign_cost}"
    return text


def _first_figures(found: Explanation) -> list[str]:
    """Where the span shows something else than the ledger, both are shown."""
    shown = next(
        (one.observation for one in found.members if not one.observation.duplicate_of), None
    )
    positions: Sequence[Position] = found.charge.positions if found.charge else ()
    if shown is None or len(positions) != 1 or shown.cost.total is None:
        return []
    if shown.cost.total == positions[0].amount:
        return []
    return [
        "",
        f"The span shows {shown.cost.total_text}, the first figure; the ledger has "
        f"{format_money(positions[0].amount)}, from all that is known.",
    ]


def _entry_text(entry: Entry) -> str:
    amount = ("" if entry.amount < 0 else "+") + format_money(entry.amount)
    counts = f"calls {entry.calls:+d}, unpriced {entry.unpriced:+d}"
    when = rfc3339(entry.booked_us)
    return f"  {entry.seq:>6}  {when:<28} {entry.cause:<13} {amount:>19} {entry.currency}  {counts}"


def _fact(label: str, value: str, indent: int = 2) -> str:
    return f"{'':{indent}}{label:<10} {value}".rstrip()
