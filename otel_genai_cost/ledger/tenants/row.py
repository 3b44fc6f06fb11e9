"""One dated row of a tenant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.tenants.billing_terms import NO_TERMS, BillingTerms
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["FOREVER_US", "WORDS", "Revenue", "TenantRow", "is_address", "plan_of", "row_record"]

FOREVER_US: Final = 1 << 62
"""No end, in unix microseconds."""

WORDS: Final = ("name", "plan", "tier", "contract", "region", "owner")
"""What a row may say of its tenant in a word or two, each for itself."""


_ADDRESS: Final = re.compile(r"[^@:/|]@[^@:/|]+\.[A-Za-z]{2,}")


class Revenue(NamedTuple):
    """What a tenant pays in a month: atto of a currency (ISO 4217)."""

    amount: int
    currency: str


class TenantRow(NamedTuple):
    """What holds of a tenant in [from, to). It is whole: nothing is taken over from an earlier row.

    Attributes:
        tenant: its id, as it stands on the calls.
        from_us: unix microseconds.
        to_us: None until the tenant's next row, if there is one.
        words: of `WORDS` those that are known.
        parent: the id of the tenant that it is part of.
        aliases: other ids whose calls are this tenant's in that time.
        revenue: None where it is unknown.
        merged_into: the id of the tenant whose calls these are in that time; of such a row nothing else counts.
        billing: how it is billed.
        file: where it stands.
        line: on which line; 0 where there are none.
    """

    tenant: str
    from_us: int
    to_us: int | None = None
    words: Mapping[str, str] = {}
    parent: str | None = None
    aliases: tuple[str, ...] = ()
    revenue: Revenue | None = None
    merged_into: str | None = None
    billing: BillingTerms = NO_TERMS
    file: str = ""
    line: int = 0

    @property
    def facts(self) -> tuple[object, ...]:
        """All that it says, but for where."""
        return (*self[:3], dict(self.words), *self[4:9])


def row_record(row: TenantRow) -> dict[str, Any]:
    """A row as JSON: money is a decimal string, what is unknown is null."""
    revenue = row.revenue
    return {
        "tenant": row.tenant,
        "from": rfc3339(row.from_us),
        "to": None if row.to_us is None else rfc3339(row.to_us),
        **{word: row.words.get(word) for word in WORDS},
        "parent": row.parent,
        "aliases": list(row.aliases),
        "revenue": None if revenue is None else format_money(revenue.amount),
        "revenue_currency": None if revenue is None else revenue.currency,
        "merged_into": row.merged_into,
        **row.billing.record(),
    }


def plan_of(registered: str | None, label: str | None) -> str | None:
    """A call's plan: the registry's, else the one on the call."""
    return label if registered is None else registered


def is_address(name: str) -> bool:
    """Whether an id looks like somebody's e-mail address, which belongs neither into telemetry nor onto an invoice."""
    return _ADDRESS.search(name) is not None
