"""The plain charge: told of by one observation. Nearly all are, so rating one again reads no more of it than it needs.

What it comes to is what settling and booking it anew would: a test holds both ways to the same entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from otel_genai_cost.journal.observation import usage_of
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import entry_id, entry_of
from otel_genai_cost.ledger.posting.position import Called, Position, by_contract
from otel_genai_cost.ledger.posting.post import Booked, net
from otel_genai_cost.ledger.settlement.verdict import NEVER_RATED
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost, quality_of
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.pricing.rate import price

__all__ = ["Cause", "Change", "cost_of", "difference", "is_plain", "rated_plain"]

Record = Mapping[str, Any]


class Change(NamedTuple):
    """A charge as it is booked, and what it comes to now."""

    booked: Booked
    after: tuple[Position, ...]


class Cause(NamedTuple):
    """Why and when charges are rated again."""

    id: str | None
    booked_us: int


def is_plain(members: list[dict[str, Any]]) -> bool:
    """Whether a charge's members are one call for one tenant, priced by a book."""
    if len(members) != 1:
        return False
    member = members[0]
    return (
        member["role"] == "response"
        and member["cost"].get("source") != "provider"
        and member["cost"].get("reason") not in NEVER_RATED
        and "shares" not in member["attribution"]
    )


def cost_of(member: Record, book: Book) -> Cost:
    """What an observation's record costs by `book`."""
    get = member.get
    model = get("model_returned") or get("model_requested")
    usage = usage_of(get("usage"))
    return price(book, get("provider"), model, usage, member["end_us"], get("context") or {})


def rated_plain(
    entries: list[dict[str, Any]], member: Record, cost: Cost, contracts: Contracts
) -> Change | None:
    """What a plain charge comes to; None if it is not plain after all."""
    booked = net([entry_of(entry) for entry in entries])
    if booked is None or len(booked.positions) != 1:
        return None
    (before,) = booked.positions
    get = member.get
    usage = usage_of(get("usage"))
    after = before._replace(
        currency=cost.currency,
        reason=cost.reason,
        quality=quality_of(usage, cost),
        bounds=cost.bounds,
        book=cost.book,
        unpriced=0 if cost.status == "priced" else 1,
        usage={leaf: n for leaf, n in usage.leaves.items() if n},
        lines=cost.lines,
        contracts=None,
    )
    if contracts.contracts:
        called = Called(
            get("provider"), get("model_returned"), get("model_requested"), get("context") or {}
        )
        after = by_contract(after, cost, called, contracts)
    return Change(booked, (after,))


def difference(
    entries: list[dict[str, Any]], cost: Cost, cause: Cause
) -> list[dict[str, Any]] | None:
    """The record to book beside a plain charge's entries, at list prices: none if nothing changed. None if more than
    rates changed, so that it takes more than one entry."""
    entry = entries[0]
    if (
        entry["reason"] != cost.reason
        or entry["currency"] != cost.currency
        or entry["unpriced"] != (cost.status != "priced")
        or entry.get("bounds") is not None
        or cost.bounds is not None
    ):
        return None
    booked = _booked_lines(entries)
    if booked is None:
        return None
    old = {line["leaf"]: line for line in booked}
    if len(old) != len(booked):
        return None
    lines, amount = _line_differences(old, cost)
    if not lines:
        return []
    revision = entries[-1]["revision"] + 1
    return [
        {
            **entry,
            "id": entry_id(entry["charge_id"], revision, 0),
            "revision": revision,
            "cause": "rerated",
            "cause_id": cause.id,
            "booked_us": cause.booked_us,
            "calls": 0,
            "unpriced": 0,
            "usage": {},
            "lines": lines,
            "amount": format_money(amount),
            "book": cost.book,
            "flags": (),
        }
    ]


def _booked_lines(entries: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The net lines of an entry and the rates' differences booked since; None if there was anything else."""
    first = entries[0]
    if first.get("contracts") is not None:
        return None
    if len(entries) == 1:
        return first["lines"]  # type: ignore[no-any-return]
    sums: dict[tuple[str, str, str, int], list[int]] = {}
    for entry in reversed(entries):
        if entry is not first and not _is_difference(entry, first):
            return None
        for line in entry["lines"]:
            key = (line["kind"], line["leaf"], line["unit_price"], line["per"])
            total = sums.setdefault(key, [0, 0])
            total[0] += line["quantity"]
            total[1] += parse_money(line["amount"])
    return [_line(*key[:2], n, *key[2:], amount) for key, (n, amount) in sums.items() if n]


def _is_difference(entry: Record, first: Record) -> bool:
    return (
        entry["cause"] == "rerated"
        and not (entry["calls"] or entry["unpriced"] or entry["usage"] or entry.get("contracts"))
        and entry["reason"] == first["reason"]
        and entry["currency"] == first["currency"]
    )


def _line_differences(
    old: dict[str, dict[str, Any]], cost: Cost
) -> tuple[list[dict[str, Any]], int]:
    """The lines that lead from the booked ones, by leaf, to the cost's, and their sum."""
    lines: list[dict[str, Any]] = []
    amount, rates = 0, cost.row.rates
    for leaf, quantity in cost.quantities.items():
        rate = rates.get(leaf)
        if not quantity or rate is None:
            continue
        line = old.get(leaf)
        if line is not None and (line["unit_price"], line["per"], line["quantity"]) == (
            rate.unit_price,
            rate.per,
            quantity,
        ):
            del old[leaf]
            continue
        added = rate.amount(quantity)
        amount += added
        lines.append(_line("list", leaf, quantity, rate.unit_price, rate.per, added))
    for line in old.values():
        taken = parse_money(line["amount"])
        amount -= taken
        lines.append(
            _line(
                line["kind"],
                line["leaf"],
                -line["quantity"],
                line["unit_price"],
                line["per"],
                -taken,
            )
        )
    return lines, amount


def _line(
    kind: str, leaf: str, quantity: int, unit_price: str, per: int, amount: int
) -> dict[str, Any]:
    return {
        "kind": kind,
        "leaf": leaf,
        "quantity": quantity,
        "unit_price": unit_price,
        "per": per,
        "amount": format_money(amount),
    }
