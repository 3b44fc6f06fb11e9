"""`compare`: what another tool said against what we say, by cause."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption, book_of
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.cli.recorded import Recorded
from otel_genai_cost.ledger.posting.post import net
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.storage.store import Ledger, Stored
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.replay.batch import Charged, replay
from otel_genai_cost.reports.compare import CAUSES, Compared, Story, Summary, summary
from otel_genai_cost.reports.foreign import against_spans, against_statements, read_statements
from otel_genai_cost.reports.selection import EVERYTHING

__all__ = ["register"]

_DAY_US = 86_400_000_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="compare")(_compare)


def _compare(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Recorded spans (as for replay); without any, the ledger's charges."),
    ] = None,
    litellm: Annotated[
        Path | None, typer.Option(help="LiteLLM's spend logs: JSON, JSON Lines or CSV.")
    ] = None,
    langfuse: Annotated[
        Path | None, typer.Option(help="Langfuse's observations: JSON, JSON Lines or CSV.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Charges ingested since.")] = 31,
    calls: Annotated[bool, typer.Option("--calls", help="One line a call, as JSON.")] = False,
    book: Annotated[
        Path | None, typer.Option(help="Price book; default: the configured one.")
    ] = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What another tool said against what we say, by cause: from the figures that tools left on the spans, or from an
    export."""
    prices = book_of(book)
    recorded = Recorded(paths) if paths else None
    stories = (
        _booked(Home.to_read(ledger), days) if recorded is None else _replayed(recorded, prices)
    )
    found: Iterable[Compared]
    if litellm is not None:
        found = against_statements(stories, read_statements(litellm, "litellm"), "litellm", prices)
    elif langfuse is not None:
        found = against_statements(
            stories, read_statements(langfuse, "langfuse"), "langfuse", prices
        )
    else:
        found = against_spans(stories, prices)
    if calls:
        print_json(_call_record(one) for one in found)
    else:
        sums = summary(found)
        if as_json:
            print_json(record for one in sums for record in _records(one))
        else:
            _print(sums)
    if recorded is not None:
        recorded.close()


def _replayed(recorded: Recorded, book: Book) -> Iterator[Story]:
    """Charges of recorded spans."""
    spans: dict[str, list[Any]] = {}
    verdicts: dict[str, Charged] = {}
    for one in replay(recorded, book):
        if one.verdict is None:
            yield Story(None, one.observation, (one.observation,), None)
        elif one.rule != 0:
            verdicts[one.verdict.charge_id] = one.verdict
            spans.setdefault(one.verdict.charge_id, []).append(one.observation)
    for charge_id, verdict in verdicts.items():
        yield Story(charge_id, verdict.richest, tuple(spans[charge_id]), verdict.cost.total)


def _booked(home: Home, days: int) -> Iterator[Story]:
    """Charges of the ledger, and what counts for none."""
    if not home.fresh():
        home.note_why_empty(EVERYTHING)
        return
    opened = home.ledger()
    seen: set[str] = set()
    for one in opened.observations.settled_since(time.time_ns() // 1000 - days * _DAY_US):
        if one.charge_id is None:
            yield Story(None, one.observation, (one.observation,), None)
        elif one.charge_id not in seen:
            seen.add(one.charge_id)
            yield _story(opened, one.charge_id, opened.observations.members_of(one.charge_id))


def _story(ledger: Ledger, charge_id: str, members: list[Stored]) -> Story:
    spans = tuple(dict.fromkeys(one.observation.id for one in members))
    by_id = {one.observation.id: one.observation for one in members}
    verdict = settle([one.observation for one in members], ledger.observations.unlinked()).verdicts[
        0
    ]
    booked = net(ledger.entries.of(charge_id))
    positions = booked.positions if booked is not None else ()
    priced = positions and not any(position.unpriced for position in positions)
    ours = sum(position.amount for position in positions) if priced else None
    return Story(charge_id, verdict.richest, tuple(by_id[one] for one in spans), ours)


def _call_record(one: Compared) -> dict[str, Any]:
    return {
        "tool": one.tool,
        "charge_id": one.charge_id,
        "theirs": None if one.theirs is None else format_money(one.theirs),
        "ours": None if one.ours is None else format_money(one.ours),
        "causes": [
            {"cause": cause, "difference": format_money(amount)} for cause, amount in one.causes
        ],
    }


def _records(one: Summary) -> Iterator[dict[str, Any]]:
    for cause, (calls, difference) in one.causes.items():
        yield {
            "tool": one.tool,
            "cause": cause,
            "calls": calls,
            "difference": format_money(difference),
            "currency": "USD",
        }
    yield {
        "tool": one.tool,
        "cause": "total",
        "calls": one.calls,
        "theirs": format_money(one.theirs),
        "ours": format_money(one.ours),
        "difference": format_money(one.theirs - one.ours),
        "currency": "USD",
    }


def _print(sums: list[Summary]) -> None:
    if not sums:
        note("no other tool left a figure on these spans; name an export: --litellm or --langfuse")
    for one in sums:
        rows = [
            [CAUSES[cause], f"{calls:,}", format_money(difference)]
            for cause, (calls, difference) in one.causes.items()
        ]
        sides = f"{one.tool} says {format_money(one.theirs)}, we say {format_money(one.ours)}"
        footer = [[sides, f"{one.calls:,}", format_money(one.theirs - one.ours)]]
        columns = ("why they differ", "calls", "difference in USD")
        right, prose = frozenset(columns[1:]), frozenset(columns[:1])
        print_table(columns, rows, right=right, prose=prose, footer=footer)
