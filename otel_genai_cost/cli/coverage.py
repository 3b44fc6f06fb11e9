"""`coverage`: how much of what happened the ledger knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption, book_of
from otel_genai_cost.cli.output import JsonOption, print_json, print_table
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.intake.senders import silent_senders
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.counted import Counted
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reconciliation.billed import shares, shares_record
from otel_genai_cost.reconciliation.bills import bills_of
from otel_genai_cost.reports.asking import instant
from otel_genai_cost.reports.coverage import coverage, coverage_record
from otel_genai_cost.reports.selection import Selection, local_time
from otel_genai_cost.reports.words import ABSENT

__all__ = ["found_in", "register", "rows_of"]

_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)

_FOREVER_US: Final = 253_370_764_800_000_000
"""The year 9999."""

_MEANINGS: Final = {
    "observations": "known to have been observed, or to have begun",
    "shipped": "of them in the ledger",
    "settled": "of those, taken for a charge or for none",
    "gaps": "records that are proved to be missing, of all time",
    "damaged": "journal lines that could not be read, of all time",
    "unpriced": "charges without a total: see `genai-cost unpriced`",
    "unattributed": "charges that are nobody's: see `genai-cost doctor --calls`",
    "estimated": "charges whose usage is an estimate",
    "unfinished": "calls that began and did not end, as far as known: a liability of unknown size",
    "billed": "what the providers' bills say",
    "captured_share": "of the bills' usage, or without bills of the observations, what is in the ledger",
    "attributed_share": "of the same, or of the charges, what has a tenant or is the platform's own",
    "unexplained": "of the bills, what no class of `genai-cost reconcile` explains",
}

_PARTIAL: Final = "calls of a service that sends a sample of its spans (`ot=th`): what the others cost is in no figure"

_MISSING: Final = "records and lines of a process (host, boot, pid) that are missing: see `genai-cost journal verify`"

_SILENT: Final = "when a service last called that always did for two weeks: it stopped, or its calls do not arrive"

_GONE: Final = "when a sender was last heard of whose journals are not finished: see `genai-cost ledger senders left`"

_SPEND: Final = {
    "total": "what the charges come to, as far as they have a price",
    "tenants": "of it, what a tenant's name is on",
    "system": "of it, the platform's own",
    "tenant_share": "what a tenant's name is on, of all",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="coverage")(
        selecting(_coverage, without=("tenant", "model", "feature", "as_of"))
    )


def _coverage(
    selection: Selection,
    month: Annotated[
        str, typer.Option("--month", help="A month of the zone's calendar, 2026-10.")
    ] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """How much of what happened the ledger knows: what came, what is missing, what has no price or no tenant."""
    if month:
        selection = _of_month(month, selection)
    home = Home.to_read(ledger)
    found = next(home.ask(lambda opened: [found_in(home, opened, selection)]), None)
    if found is None:
        home.note_why_empty(selection)
        return
    if as_json:
        print_json([found])
        return
    print_table(("what", "", "meaning"), rows_of(found), right=frozenset({""}))


def found_in(
    home: Home,
    opened: Ledger,
    selection: Selection,
    store: Queryable | None = None,
    counted: Counted | None = None,
) -> dict[str, Any]:
    """All that the command says of a period, as JSON.

    Args:
        home: where the ledger is.
        opened: it.
        selection: of which only its time counts.
        store, counted: as `reports.coverage.coverage` takes them.
    """
    found = coverage_record(coverage(opened, selection, store=store, counted=counted))
    found |= _billed(home, selection)
    left_off = [one for folder in home.journals for one in silent_senders(folder)]
    return {**found, "silent_senders": [one.record() for one in left_off]}


def rows_of(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The same as people read it: what, its figure, and what that means.

    Args:
        found: as JSON.
    """
    found = dict(found)
    spend, partial = found.pop("spend"), found.pop("partial")
    missing, silent = found.pop("missing"), found.pop("silent")
    gone, bills = found.pop("silent_senders"), found.pop("bills", [])
    rows = [(key, _shown(value), _MEANINGS[key]) for key, value in found.items()]
    rows += [
        (f"partial, {one['service'] or '-'}", _shown(one["observations"]), _PARTIAL)
        for one in partial
    ]
    rows += [
        (f"missing, {one['process']}", _shown(one["gaps"] + one["damaged"]), _MISSING)
        for one in missing
    ]
    rows += [(f"silent, {one['service'] or '-'}", one["last"], _SILENT) for one in silent]
    rows += [(f"silent sender, {one['sender']}", one["heard"] or "-", _GONE) for one in gone]
    rows += [row for currency in sorted(spend) for row in _spend_rows(currency, spend[currency])]
    rows += [
        (f"billed by {one['provider']}, {one['currency']}", one["billed"], _in_one_line(one))
        for one in bills
    ]
    return rows


def _billed(home: Home, selection: Selection) -> dict[str, Any]:
    """What the bills of that time say, by the providers' days; nothing where there are none."""
    from_us = 0 if selection.from_us is None else selection.from_us
    last_us = (_FOREVER_US if selection.to_us is None else selection.to_us) - 1
    first, last = (local_time(selection.zone, us)[:10] for us in (from_us, last_us))
    with bills_of(home.folder) as bills:
        if bills is None:
            return {}
        found = list(shares(home.store(), book_of(None), bills, first, last))
    return shares_record(found) if found else {}


def _in_one_line(one: Mapping[str, Any]) -> str:
    """What of a bill is captured, attributed and unexplained."""
    shares = (one["captured_share"] or "-", one["attributed_share"] or "-", one["unexplained"])
    captured, attributed, unexplained = shares
    return (
        f"{captured} of its usage is captured, {attributed} attributed; unexplained: {unexplained}"
    )


def _spend_rows(currency: str, spend: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, meaning in _SPEND.items():
        yield f"{key}, {currency}", _shown(spend[key]), meaning
    for why, amount in spend["unattributed"].items():
        yield f"{why}, {currency}", amount, ABSENT.get(why, "")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _of_month(month: str, selection: Selection) -> Selection:
    """A month of the selection's zone. Raises ConfigurationError."""
    match = _MONTH.fullmatch(month)
    if match is None:
        raise ConfigurationError("--month is no month", value=month, remedy="write 2026-10")
    if selection.from_us is not None or selection.to_us is not None:
        raise ConfigurationError(
            "--month says when to begin and end", remedy="leave the others out"
        )
    first = datetime(int(match[1]), int(match[2]), 1)  # noqa: DTZ001 -- a day of the zone's calendar
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    from_us, to_us = (
        instant("--month", day.date().isoformat(), selection.zone) for day in (first, after)
    )
    return selection._replace(from_us=from_us, to_us=to_us)
