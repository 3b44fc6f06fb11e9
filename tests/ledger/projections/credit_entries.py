"""Entries and grants for the tests of credit: only what credit looks at is said."""

from __future__ import annotations

from typing import Any

from otel_genai_cost.ledger.entry import Entry, entry_id
from otel_genai_cost.limits.grant_form import grant_record, grants_of
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.tenancy.attribution import Attribution

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
NOW_US = 1_795_000_000 * SECOND_US
UNIT = 10**18


def entry(
    charge: int,
    amount: int,
    *,
    tenant: str | None = "acme",
    currency: str = "USD",
    revision: int = 0,
    place: int = 0,
    occurred_us: int = NOW_US,
    booked_us: int = NOW_US,
    unpriced: int = 0,
) -> Entry:
    """An entry of a charge, as posting makes it."""
    charge_id = f"{charge:032x}"
    return Entry(
        seq=0,
        id=entry_id(charge_id, revision, place),
        charge_id=charge_id,
        revision=revision,
        cause="charged" if revision == 0 else "rerated",
        cause_id=None,
        occurred_us=occurred_us,
        booked_us=booked_us,
        attribution=Attribution(tenant, "edge", None) if tenant else Attribution(),
        service="shop",
        provider="openai",
        model="gpt-4o",
        operation="chat",
        reason=None,
        quality="reported",
        calls=1 if revision == 0 else 0,
        unpriced=unpriced,
        usage={},
        lines=(),
        amount=amount,
        currency=currency,
        book=None,
    )


def event(*written: dict[str, Any], now_us: int = NOW_US) -> dict[str, Any]:
    """The event of granting; what is not said is 10 USD for acme, from now on."""
    filled = [{"tenant": "acme", "currency": "USD", "amount": "10", **one} for one in written]
    grants, problems = grants_of(filled, now_us)
    assert not problems
    return {"type": "grant", "at_us": now_us, "grants": [grant_record(one) for one in grants]}


def at(days: float) -> str:
    """An instant so many days from the tests' present."""
    return rfc3339(NOW_US + round(days * DAY_US))
