"""One run over a ledger in a folder, and what comes of it."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.billing_terms import BillingTerms
from otel_genai_cost.ledger.tenants.directory import Directory, directory_of
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.statements.periods import Calendar
from otel_genai_cost.statements.plans import Plan
from otel_genai_cost.statements.revise import Closing
from otel_genai_cost.statements.run import Asked, Outcome, Spreading, state
from otel_genai_cost.statements.statement import Scope
from otel_genai_cost.statements.store import Statements, statements_lock

__all__ = ["DAY_US", "amount", "prices", "row", "run"]

DAY_US = 86_400_000_000
_LATER = "2026-12-01T00:00:00Z"
_OCTOBER = date(2026, 10, 1)


def run(
    home: Path,
    *,
    now: str = _LATER,
    directory: Directory | None = None,
    calendar: Calendar = Calendar("monthly"),  # noqa: B008 -- immutable
    day: date | None = _OCTOBER,
    accept: frozenset[str] = frozenset(),
    scope: Scope | None = None,
    tenants: frozenset[str] = frozenset(),
    plans: tuple[Plan, ...] = (),
    spreading: Spreading | None = None,
) -> Outcome:
    """One run with a grace of three days."""
    asked = Asked(
        calendar,
        None if day is None else frozenset([day]),
        Closing(microseconds(now), 3 * DAY_US, accept),
        scope,
        tenants,
        directory or directory_of([]),
        plans=plans,
        spreading=spreading,
    )
    with (
        statements_lock(home),
        closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger,
        closing(Statements(home)) as file,
    ):
        return state(ledger, file, asked)


def row(tenant: str, from_: str, zone: str | None = None, **more: Any) -> TenantRow:
    return TenantRow(tenant, microseconds(from_), billing=BillingTerms(time_zone=zone), **more)


def prices(found: Outcome) -> dict[tuple[str, int], int]:
    return {(one.tenant or one.whose, one.revision): one.price for one in found.statements}


def amount(text: str) -> int:
    return parse_money(text)
