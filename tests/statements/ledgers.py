"""Ledgers of entries as somebody might have booked them, without any journal."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry, entry_id
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Line, rate_of
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.vocabulary import LineKind, Side

__all__ = ["book", "entry", "line"]


def line(leaf: str, quantity: int, amount: str, side: Side = "cost") -> Line:
    """A line of a receipt; a mark-up if it is of the price."""
    kind: LineKind = "list" if side == "cost" else "markup"
    return Line(kind, leaf, quantity, rate_of("1", 1), parse_money(amount), side=side)


def entry(
    number: int,
    tenant: str | None,
    at: str | int,
    amount: str = "0.0123",
    *,
    revision: int = 0,
    lines: tuple[Line, ...] | None = None,
    usage: dict[str, int] | None = None,
    labels: dict[str, Any] | None = None,
    absent: Any = None,
    **more: Any,
) -> Entry:
    """An entry of a charge with that number, at an instant."""
    at_us = microseconds(at) if isinstance(at, str) else at
    charge_id = f"{number:032x}"
    sign = -1 if amount.startswith("-") else 1
    parts = (line("input", 100 * sign, amount),) if lines is None else lines
    absent = "missing" if tenant is None and absent is None else absent
    facts: dict[str, Any] = {
        "seq": 0,
        "id": entry_id(charge_id, revision, 0),
        "charge_id": charge_id,
        "revision": revision,
        "cause": "charged",
        "cause_id": None,
        "occurred_us": at_us,
        "booked_us": at_us,
        "attribution": Attribution(tenant, None, absent, "user", labels or {}),
        "service": "shop",
        "provider": "openai",
        "model": "gpt-4o",
        "operation": "chat",
        "reason": None,
        "quality": "reported",
        "calls": sign,
        "unpriced": 0,
        "usage": {"input": 100 * sign} if usage is None else usage,
        "lines": parts,
        "amount": sum(one.amount for one in parts if one.side == "cost"),
        "currency": "USD",
        "book": None,
    }
    return Entry(**{**facts, **more})


def book(home: Path, entries: Iterable[Entry]) -> None:
    """Append entries to a ledger, which is made if there is none."""
    home.mkdir(parents=True, exist_ok=True)
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.entries.append(list(entries))
