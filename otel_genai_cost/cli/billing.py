"""`billing`: usage is sent to billing systems, what waits and why, and whether they have what the ledger has."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from otel_genai_cost.billing.customers import Customers
from otel_genai_cost.billing.destination import Destination, key_of
from otel_genai_cost.billing.file import destinations_in
from otel_genai_cost.billing.opening import billing_lock, connect, is_there
from otel_genai_cost.billing.outbox import Outbox, Total
from otel_genai_cost.billing.queued import Queued
from otel_genai_cost.billing.serving import Round, follow, run
from otel_genai_cost.billing.usage_event import event_json, units_of
from otel_genai_cost.billing.vendor import Came, Cancelling, vendor_type
from otel_genai_cost.billing.verify import Compared, compared
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_listed
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.storage.keeping import now_us
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["register"]

_FILE: Final = "billing.toml"
_ID_MIN: Final = 8
_EXACT: Final = 18
"""Decimals."""
_STATES: Final = ("waiting", "blocked", "rejected", "accepted")
_ROUND: Final = (
    "destination",
    "seq",
    "made",
    "accepted",
    "waiting",
    "rejected",
    "blocked",
    "error",
)
_LISTED: Final = ("destination", "state", "id", "customer", "meter", "quantity", "from", "reason")
_COMPARED: Final = (
    "destination",
    "customer",
    "meter",
    "day",
    "ledger",
    "vendor",
    "unsent",
    "equal",
)
_NUMBERS: Final = frozenset(
    {"seq", "made", "accepted", "waiting", "rejected", "blocked", "quantity", "ledger", "vendor"}
    | {"unsent"}
)
_PROSE: Final = frozenset({"reason", "error"})

FileOption = Annotated[
    Path | None,
    typer.Option(help="Meters and destinations; default: billing.toml in the ledger's folder."),
]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--destination", help="This one only. Repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Usage, sent to billing systems.", no_args_is_help=True)
    for name, command in (
        ("run", _run),
        ("follow", _follow),
        ("status", _status),
        ("requeue", _requeue),
        ("cancel", _cancel),
        ("verify", _verify),
    ):
        group.command(name=name)(command)
    app.add_typer(group, name="billing")


def _run(
    file: FileOption = None,
    destination: OnlyOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count what is new in the ledger and send what is due, once; exit code 1 while something was not taken."""
    logging.basicConfig(format="%(levelname)s %(message)s")
    home = _home(ledger)
    rounds = run(home.folder, _destinations(home, file, destination), directory=_directory(home))
    _print([_round_record(one) for one in rounds], _ROUND, as_json)
    for one in rounds:
        if one.left:
            note(f"{one.destination}: {one.left} event(s) not taken; see genai-cost billing status")
    if any(one.error or one.left for one in rounds):
        raise typer.Exit(1)


def _follow(
    file: FileOption = None,
    destination: OnlyOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count and send until SIGTERM or Ctrl-C: one process for a ledger, beside `genai-cost ship --follow`."""
    logging.basicConfig(format="%(levelname)s %(message)s")
    home = _home(ledger)

    def report(done: Round) -> None:
        record = _round_record(done)
        if as_json:
            print_json([record])
        else:
            note(
                " ".join(f"{name}={record[name]}" for name in _ROUND if record[name] not in (0, ""))
            )

    follow(
        home.folder,
        _destinations(home, file, destination),
        directory=_directory(home),
        report=report,
    )


def _status(
    file: FileOption = None,
    destination: OnlyOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What waits, is blocked or was rejected, and why; and what nobody can be billed for."""
    home = _home(ledger)
    every = _in_file(home, file)
    asked = _chosen(every, destination)
    found: list[dict[str, Any]] = []
    if not is_there(home.folder):
        note("nothing was sent yet")
    else:
        with closing(connect(home.folder, readonly=True)) as db:
            for one in asked:
                outbox = Outbox(db, one.name)
                known = outbox.counts()
                note(f"{one.name}: " + ", ".join(f"{known.get(s, 0)} {s}" for s in _STATES))
                found += [_queued_record(one, q) for s in _STATES[:3] for q in outbox.in_state(s)]
                units = {meter.name: meter.unit for meter in one.meters}
                found += [_unsent_record(one, total, units) for total in outbox.unsent()]
            behind = Outbox(db, "").left_behind([one.name for one in every])
        for name, n in behind.items():
            note(f"{name} is not in the file any more: {n} not sent")
    _print(found, _LISTED, as_json)


def _requeue(
    event: Annotated[
        list[str] | None, typer.Argument(help="Ids of events, or 8 characters of them or more.")
    ] = None,
    all_of: Annotated[str, typer.Option("--all", help="All that are blocked, or rejected.")] = "",
    was_taken: Annotated[
        bool, typer.Option("--taken", help="They were taken: do not send them.")
    ] = False,
    file: FileOption = None,
    destination: OnlyOption = None,
    ledger: HomeOption = None,
) -> None:
    """Send again what was blocked or rejected, once you have looked whether the billing system has it."""
    home = _home(ledger)
    wanted = tuple(event or ())
    if bool(wanted) == bool(all_of) or any(len(one) < _ID_MIN for one in wanted):
        raise ConfigurationError(
            "which events is not said",
            remedy="give ids of 8 characters or more, or --all blocked or --all rejected",
        )
    requeued = 0
    destinations = _destinations(home, file, destination)
    with billing_lock(home.folder), closing(connect(home.folder)) as db:
        for one in destinations:
            outbox = Outbox(db, one.name)
            found = [
                queued
                for state in ("blocked", "rejected")
                for queued in outbox.in_state(state)
                if state == all_of or queued.event.id.startswith(wanted or ("-",))
            ]
            outbox.requeue([queued.n for queued in found], now_us(), was_taken=was_taken)
            requeued += len(found)
    if not requeued:
        raise ConfigurationError(
            "no such event",
            value=all_of or " ".join(wanted),
            remedy="see genai-cost billing status",
        )
    note(f"{requeued} event(s) {'count as taken' if was_taken else 'will be sent again'}")


def _cancel(
    event: Annotated[list[str], typer.Argument(help="Ids of events, or 8 characters or more.")],
    file: FileOption = None,
    destination: OnlyOption = None,
    ledger: HomeOption = None,
) -> None:
    """Have events cancelled that were accepted, where the billing system can; `run` then sends what is right."""
    home = _home(ledger)
    destinations = _destinations(home, file, destination)
    if any(len(one) < _ID_MIN for one in event):
        raise ConfigurationError("an id is too short", remedy="give 8 characters or more")
    with billing_lock(home.folder), closing(connect(home.folder)) as db:
        done = [came for one in destinations for came in _cancelled(db, one, tuple(event))]
    if not done:
        raise ConfigurationError(
            "no such event that was accepted where events can be cancelled",
            value=" ".join(event),
            remedy="see docs/billing.md for which billing systems can",
        )
    for one, came in done:
        note(f"{one.event.id}: {came.reason or 'cancelled'}")
    if any(came.outcome != "accepted" for _, came in done):
        raise typer.Exit(1)


def _cancelled(
    db: sqlite3.Connection, destination: Destination, ids: tuple[str, ...]
) -> Iterator[tuple[Queued, Came]]:
    kind = vendor_type(destination.vendor)
    outbox = Outbox(db, destination.name)
    found = [one for one in outbox.in_state("accepted") if one.event.id.startswith(ids)]
    if not found or kind.rules.cancels_us is None:
        return
    vendor = kind(destination.settings, key_of(destination))
    with closing(vendor):
        for one in found:
            came = cast("Cancelling", vendor).cancel(one.event)
            if came.outcome == "accepted":
                outbox.cancelled(one.n, now_us())
            yield one, came


def _verify(
    file: FileOption = None,
    destination: OnlyOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what each billing system has with the ledger, by customer, meter and day; exit code 1 on a difference."""
    home = _home(ledger)
    found: list[Compared] = []
    for one in _destinations(home, file, destination):
        found += _compared(home, one)
    _print([_compared_record(one) for one in found], _COMPARED, as_json)
    differences = sum(not one.is_equal for one in found)
    note(f"{len(found)} day(s) compared, {differences} with a difference")
    if differences:
        raise typer.Exit(1)


def _compared(home: Home, destination: Destination) -> Iterator[Compared]:
    kind = vendor_type(destination.vendor)
    if not kind.rules.verify:
        note(f"{destination.name}: {kind.rules.title} cannot be asked what it has")
        return
    vendor = kind(destination.settings, key_of(destination))
    customers = Customers(destination, directory_at(home))
    with (
        closing(vendor),
        closing(home.ledger()) as ledger,
        closing(connect(home.folder, readonly=True)) as db,
    ):
        outbox = Outbox(db, destination.name)
        yield from compared(
            ledger, destination, destination.rules(kind.rules), customers, outbox, vendor, now_us()
        )


def _home(folder: Path | None) -> Home:
    """The home, brought up to date.

    Raises:
        ConfigurationError: if there is no ledger.
    """
    home = Home.to_read(folder)
    if not home.fresh():
        raise ConfigurationError(
            "no ledger", value=str(home.folder), remedy="run genai-cost ship where its journal is"
        )
    return home


def _directory(home: Home) -> Callable[[], Directory]:
    return lambda: directory_at(home)


def _destinations(home: Home, file: Path | None, only: list[str] | None) -> list[Destination]:
    return _chosen(_in_file(home, file), only)


def _in_file(home: Home, file: Path | None) -> list[Destination]:
    return destinations_in(file or home.folder / _FILE)


def _chosen(found: list[Destination], only: list[str] | None) -> list[Destination]:
    unknown = set(only or ()) - {one.name for one in found}
    if unknown:
        raise ConfigurationError(
            "no such destination",
            value=", ".join(sorted(unknown)),
            remedy=f"known: {', '.join(one.name for one in found)}",
        )
    return [one for one in found if not only or one.name in only]


def _round_record(one: Round) -> dict[str, Any]:
    return {
        "destination": one.destination,
        "seq": one.seq,
        "made": one.made,
        "accepted": one.sent.accepted,
        "waiting": one.sent.failed,
        "rejected": one.sent.rejected,
        "blocked": one.sent.blocked,
        "error": one.error,
    }


def _queued_record(destination: Destination, one: Queued) -> dict[str, Any]:
    return {
        "destination": destination.name,
        "state": one.state,
        **event_json(one.event),
        "tries": one.tries,
        "due": rfc3339(one.due_us) if one.state == "waiting" else None,
        "reason": one.reason,
    }


def _unsent_record(
    destination: Destination, one: Total, units: Mapping[str, int]
) -> dict[str, Any]:
    """What a window comes to; of a meter that is not in the file any more nobody says in which unit."""
    unit = units.get(one.window.meter)
    quantity = None if unit is None else format_money(units_of(one.sum, unit, _EXACT))
    return {
        "destination": destination.name,
        "state": "unsent",
        "id": None,
        "customer": None,
        "tenant": one.window.tenant or None,
        "meter": one.window.meter,
        "quantity": quantity,
        "from": rfc3339(one.window.start_us),
        "to": None,
        "properties": json.loads(one.window.properties),
        "revision": None,
        "tries": 0,
        "due": None,
        "reason": one.unsent,
    }


def _compared_record(one: Compared) -> dict[str, Any]:
    return {
        "destination": one.destination,
        "customer": one.customer or None,
        "tenant": one.tenants[0] if len(one.tenants) == 1 else None,
        "tenants": list(one.tenants),
        "meter": one.meter,
        "day": rfc3339(one.day_us)[:10],
        "ledger": format_money(one.ledger),
        "vendor": format_money(one.vendor),
        "difference": format_money(one.vendor - one.ledger),
        "unsent": format_money(one.unsent),
        "reason": one.reason,
        "equal": one.is_equal,
    }


def _print(records: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    print_listed(records, columns, as_json=as_json, right=_NUMBERS, prose=_PROSE)
