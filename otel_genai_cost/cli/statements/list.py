"""`statements list`: what was stated."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json
from otel_genai_cost.cli.statements.asked import (
    AnchorOption,
    AnyPeriodOption,
    CadenceOption,
    OnlyByOption,
    TenantOption,
    calendars_of,
    now_us,
    period_of,
)
from otel_genai_cost.cli.statements.shown import kept_record, print_statements
from otel_genai_cost.statements.periods import label_of
from otel_genai_cost.statements.statement import Cadence, Scope, is_of
from otel_genai_cost.statements.store import Kept, Statements

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost statements`."""
    group.command(name="list")(_list)


def _list(
    period: AnyPeriodOption = "",
    cadence: CadenceOption = None,
    anchor: AnchorOption = None,
    tenant: TenantOption = None,
    by: OnlyByOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every revision that was stated, in the order in which they were."""
    home = Home.to_read(ledger)
    found = kept_of(home, period, cadence, anchor, tenant, by)
    if as_json:
        print_json(map(kept_record, found))
    else:
        print_statements([one.statement for one in found], as_json=False)
    if not found:
        note("nothing of that was stated yet: `genai-cost statements run --period 2026-10`")


def kept_of(
    home: Home,
    period: str,
    cadence: Cadence | None,
    anchor: int | None,
    tenants: Collection[str] | None,
    by: Scope | None = None,
) -> list[Kept]:
    """What was stated of some periods and tenants, in the order in which it was.

    Args:
        home: the ledger's.
        period: as it is named; "" for all.
        cadence: None for that which the period names, or all.
        anchor: only those that begin on this day of a month; None for all.
        tenants: whom, as in `is_of`; None or empty for everybody.
        by: what calls are split by; None for all statements.

    Raises:
        ConfigurationError: if it names no period, or there is an anchor and another cadence.
        LedgerError: if a statement is damaged.
    """
    calendar = labels = None
    if period:
        calendar, first_day = period_of(period, cadence, anchor, now_us())
        labels = [label_of(calendar, first_day)]
    elif anchor is not None:
        (calendar,) = calendars_of(cadence and [cadence], anchor)
    with closing(Statements(home.folder, readonly=True)) as file:
        return [
            kept
            for kept in file.of(calendar, labels)
            if is_of(kept.statement.tenant, kept.statement.whose, tenants or ())
            and (by is None or kept.statement.scope == by)
            and (cadence is None or kept.statement.cadence == cadence)
        ]
