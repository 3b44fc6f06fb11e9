"""`statements run`: what is charged for a period, to each tenant."""

from __future__ import annotations

from contextlib import closing

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note
from otel_genai_cost.cli.plan_file import PlansOption
from otel_genai_cost.cli.statements.asked import (
    AnchorOption,
    ByOption,
    CadenceOption,
    GraceOption,
    PeriodOption,
    SpreadOption,
    TenantOption,
    WithGapsOption,
    WithUnpricedOption,
    ZoneOption,
    accepted,
    asked_of,
    grace_us,
    now_us,
    period_of,
    spreading_of,
)
from otel_genai_cost.cli.statements.shown import note_state, print_statements
from otel_genai_cost.statements.periods import label_of
from otel_genai_cost.statements.revise import Closing
from otel_genai_cost.statements.run import state
from otel_genai_cost.statements.store import Statements, statements_lock

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost statements`."""
    group.command(name="run")(_run)


def _run(
    period: PeriodOption = "",
    cadence: CadenceOption = None,
    anchor: AnchorOption = None,
    tenant: TenantOption = None,
    by: ByOption = None,
    grace: GraceOption = "3d",
    tz: ZoneOption = "UTC",
    plans: PlansOption = None,
    spread: SpreadOption = "",
    with_gaps: WithGapsOption = False,
    with_unpriced: WithUnpricedOption = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """State a period, and show every revision of it. What is not over yet is shown as it would be now, and not kept;
    nor is what has gaps or calls without a price, unless that is accepted. A rerun changes nothing."""
    home, now = Home.to_read(ledger), now_us()
    calendar, first_day = period_of(period, cadence, anchor, now)
    how = Closing(now, grace_us(grace), accepted(gaps=with_gaps, unpriced=with_unpriced))
    asked = asked_of(
        home,
        calendar,
        [first_day],
        scope=by,
        tenants=tenant,
        zone=tz,
        closing=how,
        plans=plans,
        spreading=spreading_of(spread, overrules=True, tenants=tenant),
    )
    if not home.fresh():
        note(f"no ledger in {home.folder}: nothing is stated")
        return
    with (
        statements_lock(home.folder),
        closing(home.ledger()) as opened,
        closing(Statements(home.folder)) as file,
    ):
        outcome = state(opened, file, asked)
    print_statements(outcome.statements, as_json=as_json)
    note_state(outcome.statements)
    if not outcome.statements:
        note(f"no calls of {label_of(calendar, first_day)} are booked: nothing is stated")
