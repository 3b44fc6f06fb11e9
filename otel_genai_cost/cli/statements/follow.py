"""`statements follow`: every period is stated when it is due, also those that ended while nothing ran."""

from __future__ import annotations

import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.cli.plan_file import PlansOption, plans_at
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.cli.statements.asked import (
    AnchorOption,
    ByOption,
    GraceOption,
    SpreadOption,
    WithGapsOption,
    WithUnpricedOption,
    ZoneOption,
    accepted,
    calendars_of,
    checked_zone,
    grace_us,
    now_us,
    spreading_of,
)
from otel_genai_cost.cli.statements.shown import note_state, whose
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.statements.follow import Schedule, next_round
from otel_genai_cost.statements.rounding import payable_text
from otel_genai_cost.statements.run import Outcome
from otel_genai_cost.statements.statement import Statement, statement_record
from otel_genai_cost.statements.store import Statements, statements_lock

__all__ = ["register"]

_AGAIN_S: Final = 60
"""So long after a round that failed, such as one that met another process at work, is the next."""


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost statements`."""
    group.command(name="follow")(_follow)


def _follow(
    cadence: Annotated[
        list[str] | None,
        typer.Option(help="daily, weekly, monthly or anchored; default: monthly. Repeatable."),
    ] = None,
    anchor: AnchorOption = None,
    by: ByOption = None,
    grace: GraceOption = "3d",
    tz: ZoneOption = "UTC",
    plans: PlansOption = None,
    spread: SpreadOption = "",
    with_gaps: WithGapsOption = False,
    with_unpriced: WithUnpricedOption = False,
    every_s: Annotated[
        int, typer.Option(min=1, help="Seconds from one round to the next.")
    ] = 3_600,
    once: Annotated[bool, typer.Option(help="One round, and end: for a scheduler.")] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """State every period once it and its grace are over, and revise what is booked late, until SIGTERM or Ctrl-C. What
    was missed while nothing ran is stated once in the first round."""
    home = Home.at(ledger)
    accept = accepted(gaps=with_gaps, unpriced=with_unpriced)
    spreading = spreading_of(spread, overrules=False)
    schedules = [
        Schedule(calendar, by, checked_zone(tz), grace_us(grace), accept, spreading=spreading)
        for calendar in calendars_of(cadence, anchor)
    ]
    if once:
        _round(home, schedules, plans, as_json=as_json)
        return
    stop = threading.Event()
    _end_on_signals(stop)
    while not stop.is_set():
        wait_s = every_s
        try:
            _round(home, schedules, plans, as_json=as_json)
        except BrokenPipeError:
            raise  # whoever read what is stated has gone
        except (GenAICostError, OSError, sqlite3.Error) as error:
            note(f"this round failed, and is done again: {' | '.join(str(error).splitlines())}")
            wait_s = min(every_s, _AGAIN_S)
        stop.wait(wait_s)


def _end_on_signals(stop: threading.Event) -> None:
    """A signal ends a round as well: all of what it would have stated is stated, or nothing of it."""

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _round(home: Home, schedules: Sequence[Schedule], plans: Path | None, *, as_json: bool) -> None:
    if not home.fresh():
        return
    directory, known = directory_at(home), plans_at(home, plans)
    with (
        statements_lock(home.folder),
        closing(home.ledger()) as opened,
        closing(Statements(home.folder)) as file,
    ):
        for schedule in schedules:
            outcome = next_round(opened, file, schedule._replace(plans=known), directory, now_us())
            _say(outcome, as_json=as_json)


def _say(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print_json(map(statement_record, outcome.fresh))
    else:
        for one in outcome.fresh:
            say(_line(one))
    sys.stdout.flush()
    note_state([one for one in outcome.pending if one.state == "blocked"])


def _line(one: Statement) -> str:
    total = payable_text(one.total, one.currency)
    return f"{whose(one)}, {one.label}, revision {one.revision}: {total} {one.currency}"
