"""Entries as a ledger feeds them to sinks."""

from __future__ import annotations

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.position import positions
from otel_genai_cost.ledger.posting.post import post
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.pricing.cost import Line, Rate
from tests.ledger.build import observe, tenant

__all__ = ["entries", "with_amount"]


def entries(count: int, first: int = 1, tenant_id: str = "acme") -> list[Entry]:
    """Posted entries, as a ledger feeds them."""
    found: list[Entry] = []
    for seq in range(first, first + count):
        one = observe(
            seq, trace=seq, tokens=(seq + 10, 3), attribution=tenant(tenant_id, plan="pro")
        )
        (verdict,) = settle([one]).verdicts
        (entry,) = post(
            one.id, positions(verdict), None, cause="charged", cause_id=None, booked_us=seq
        )
        found.append(entry._replace(seq=seq))
    return found


def with_amount(entry: Entry, atto: int) -> Entry:
    """An entry of one line, of this amount."""
    line = Line("list", "input", 1, Rate(atto, 1, "0", 1), atto)
    return entry._replace(amount=atto, lines=(line,))
