"""`sinks verify`: whether a store has what the ledger has, day by day, to the last digit; or what another store has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Annotated, Any, NamedTuple

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table, say
from otel_genai_cost.cli.sinks.opened import every_sink, sink_named
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.day_sums import ByTenant, ComparedDay, DaySum, Verifiable, compared
from otel_genai_cost.ledger.day_sums import day_sums as sums_of_entries
from otel_genai_cost.ledger.sink import Sink
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import format_money

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="verify")(_verify)


class _Marked(NamedTuple):
    """A sink that can be compared, and how far it is."""

    name: str
    sink: Verifiable
    seq: int


def _verify(
    name: Annotated[str | None, typer.Argument(help="The sink to compare with the ledger.")] = None,
    between: Annotated[
        tuple[str, str] | None, typer.Option(help="Compare two sinks with each other instead.")
    ] = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a sink with the ledger as far as it is fed: how many entries of each day and currency, and their sum.
    Exit code 1 if one differs. Two sinks are compared as far as both are fed, and by tenant where days differ."""
    if (name is None) == (between is None):
        raise ConfigurationError(
            "one sink to compare with the ledger, or two with each other",
            remedy="write `sinks verify NAME`, or `sinks verify --between NAME NAME`",
        )
    home = Home.to_read(ledger)
    with closing(home.ledger()) as opened, every_sink(home) as sinks:
        if between is None:
            rows = _with_ledger(_marked(str(name), sinks, opened), opened)
        else:
            one, other = (_marked(each, sinks, opened) for each in between)
            rows = _with_each_other(one, other)
    if as_json:
        print_json(rows)
    else:
        _show(rows, *(between or ("ledger", str(name))))
    if not all(row["equal"] for row in rows):
        raise typer.Exit(1)


def _marked(name: str, sinks: Mapping[str, Sink], ledger: Ledger) -> _Marked:
    sink = sink_named(name, sinks)
    if not isinstance(sink, Verifiable):
        raise ConfigurationError("this sink cannot be asked what it has", value=name)
    mark = sink.mark()
    if mark is None:
        note(f"{name} has nothing yet")
        return _Marked(name, sink, 0)
    if mark.ledger_id != ledger.id:
        raise ConfigurationError(
            "a sink has another ledger's entries",
            value=name,
            remedy="the next `genai-cost ship` empties it and fills it again",
        )
    note(f"{name} is compared as far as it is fed: {mark.seq} of {ledger.entries.last_seq()}")
    return _Marked(name, sink, mark.seq)


def _with_ledger(found: _Marked, ledger: Ledger) -> list[dict[str, Any]]:
    entries = ledger.entries.since(0, found.seq)
    days = compared(sums_of_entries(entries, found.seq), found.sink.days(found.seq))
    return [_record({"sink": found.name}, day, "ledger", "sink_has") for day in days]


def _with_each_other(one: _Marked, other: _Marked) -> list[dict[str, Any]]:
    seq = min(one.seq, other.seq)
    names = {"sink": one.name, "other": other.name}
    rows = [
        _record(names, day, "sink_has", "other_has")
        for day in compared(one.sink.days(seq), other.sink.days(seq))
    ]
    days = {row["day"] for row in rows if not row["equal"]}
    ours, theirs = one.sink, other.sink
    if days and isinstance(ours, ByTenant) and isinstance(theirs, ByTenant):
        by_tenant = compared(ours.tenant_days(seq), theirs.tenant_days(seq))
        rows += [
            _record({**names, "tenant": day.tenant}, day, "sink_has", "other_has")
            for day in by_tenant
            if not day.is_equal
        ]
    return rows


def _record(names: Mapping[str, Any], day: ComparedDay, one: str, other: str) -> dict[str, Any]:
    return {
        **names,
        "day": day.day.isoformat(),
        "currency": day.currency,
        one: _sum(day.one),
        other: _sum(day.other),
        "equal": day.is_equal,
    }


def _sum(of: DaySum | None) -> dict[str, Any]:
    count, amount = (0, 0) if of is None else (of.entries, of.amount)
    return {"count": count, "sum": format_money(amount)}


def _show(rows: Sequence[Mapping[str, Any]], one: str, other: str) -> None:
    if not rows:
        say("there is nothing to compare")
        return
    sums = [f"{name} {what}" for name in (one, other) for what in ("entries", "sum")]
    columns = ("day", "currency", "tenant", *sums, "equal")
    print_table(columns, [*map(_cells, rows)], right=frozenset(sums))
    differing = sum(not row["equal"] for row in rows)
    say(f"{differing} of {len(rows)} rows differ" if differing else "equal to the last digit")


def _cells(row: Mapping[str, Any]) -> list[str]:
    sides = (row[key] for key in ("ledger", "sink_has", "other_has") if key in row)
    tenant = row.get("tenant", "(all)")
    return [
        row["day"],
        row["currency"],
        "(none)" if tenant is None else tenant,
        *(str(side[key]) for side in sides for key in ("count", "sum")),
        "yes" if row["equal"] else "no",
    ]
