"""`reconcile`: a provider's bill beside the ledger, cell by cell, and why they differ."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption, book_of
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.errors import ConfigurationError, LedgerError
from otel_genai_cost.pricing.instants import zone_of
from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.bills import Bills, Imported, Known, bills_of
from otel_genai_cost.reconciliation.currency import Convert
from otel_genai_cost.reconciliation.importers.format import day_of
from otel_genai_cost.reconciliation.ours import check_key, selection_of_days
from otel_genai_cost.reconciliation.posting import post_true_ups
from otel_genai_cost.reconciliation.reading import Bill, name_of, providers_of, read_bill
from otel_genai_cost.reconciliation.reconcile import Reconciled, record, summary
from otel_genai_cost.reconciliation.run import Compared, compare
from otel_genai_cost.reconciliation.true_up import TrueUp, true_ups
from otel_genai_cost.reports.spending import converting

__all__ = ["register"]

_COLUMNS: Final = ("day", "model", "token type", "key", "ours", "theirs", "volume", "rate", "class")
_RIGHT: Final = frozenset({"ours", "theirs", "volume", "rate"})


_KeyOption = Annotated[
    str,
    typer.Option(
        "--key", help="What of ours is the bill's key or project: service, tenant, …, or none."
    ),
]
_FinalOption = Annotated[
    bool, typer.Option("--final", help="The provider will not change this bill any more.")
]
_PostOption = Annotated[
    bool,
    typer.Option("--post", help="Post what the books lack, of what is final in the bills kept."),
]
_CallsOption = Annotated[
    bool, typer.Option("--calls", help="With --json, the charges behind each cell that differs.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="reconcile")(_reconcile)


def _reconcile(
    files: Annotated[list[Path], typer.Argument(help="Files of the bill.", show_default=False)],
    provider: Annotated[str, typer.Option("--provider", help="Whose bill: openai, for example.")],
    from_: Annotated[str, typer.Option("--from", help="The first day; default: the bill's.")] = "",
    to: Annotated[str, typer.Option("--to", help="The last day; default: the bill's.")] = "",
    key: _KeyOption = "",
    final: _FinalOption = False,
    post: _PostOption = False,
    calls: _CallsOption = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """A provider's bill beside the ledger, cell by cell, and why they differ."""
    column = check_key(key) if key else None
    bill = read_bill(provider, files)
    if post and not bill.providers:
        raise _unknown_whose("no line names a provider")
    for line in bill.notes:
        note(line)
    zone, days = zone_of(bill.zone), _days(bill, from_, to)
    home = Home.to_read(ledger)
    if not home.fresh():
        home.note_why_empty(selection_of_days(days, zone))
        return
    cells = _within(bill.cells, days, final)
    _keep(home, provider, bill, cells)
    kept = _kept(home, provider, days) if post else {}
    if not providers_of(provider) and (others := kept.keys() - cells.keys()):
        raise _unknown_whose("lines of other files of these days are kept", len(others))
    found = compare(
        home.store(),
        book_of(None),
        {cell: one.billed for cell, one in kept.items()} if post else cells,
        providers=bill.providers,
        zone=zone,
        days=days,
        key=column,
        finds_key=not key,
        convert=_rates(home),
    )
    _note_assumptions(found, key)
    if post:
        digests = {cell: one.digest for cell, one in kept.items()}
        _post(home, provider, true_ups(found.cells, digests), days, zone)
    _show(found, as_json, calls)


def _note_assumptions(found: Compared, key: str) -> None:
    for currency in sorted(found.without_rate):
        note(f"no exchange rate of {currency} to the books' currency: what it bills is unexplained")
    if found.key is not None and not key:
        note(f"the bill's keys are taken for our `{found.key}`; --key says otherwise")


def _kept(home: Home, provider: str, days: tuple[str, str]) -> dict[Cell, Known]:
    """All of a bill that is known of these days: a part of one is no reason to take back what the rest came to."""
    with bills_of(home.folder) as bills:
        if bills is None:
            raise LedgerError("nothing is posted: the bill could not be kept")
        return bills.standing(name_of(provider), *days)


def _unknown_whose(what: str, value: object = None) -> ConfigurationError:
    """Of a bill of any provider: everybody's calls would be taken for billed by it, or for not billed."""
    return ConfigurationError(
        f"nothing is posted, since it is not known whose calls are billed: {what}",
        value=value,
        remedy="pass all files at once, with a column provider, or those of each with --provider and its name",
    )


def _post(
    home: Home, provider: str, wanted: Sequence[TrueUp], days: tuple[str, str], zone: tzinfo
) -> None:
    posted = post_true_ups(
        home.folder,
        home.store(),
        name_of(provider),
        wanted,
        days=days,
        zone=zone,
        now_us=time.time_ns() // 1000,
    )
    home.ship()
    note(f"{len(posted.entries)} true-up(s) posted")
    if posted.ended:
        note(
            f"{posted.ended} hold(s) of calls of which nothing was heard end: they are in this bill, or not billed"
        )
    if skipped := sum(one.amount is None for one in wanted):
        note(f"{skipped} cell(s) are not final, and not posted: pass --final once the bill is")


def _days(bill: Bill, from_: str, to: str) -> tuple[str, str]:
    first, last = bill.days
    try:
        days = (day_of(from_) if from_ else first, day_of(to) if to else last)
    except ValueError as error:
        raise ConfigurationError(
            str(error), where="--from or --to", remedy="write 2026-10-01"
        ) from None
    if days[0] > days[1]:
        raise ConfigurationError(
            "the time ends before it begins",
            value=f"{days[0]} to {days[1]}",
            remedy="pass a later --to",
        )
    return days


def _within(cells: Mapping[Cell, Billed], days: tuple[str, str], final: bool) -> dict[Cell, Billed]:
    return {
        cell: one._replace(final=one.final or final)
        for cell, one in cells.items()
        if days[0] <= cell.day <= days[1]
    }


def _keep(home: Home, provider: str, bill: Bill, cells: Mapping[Cell, Billed]) -> None:
    """Keep the bill beside the ledger; where that cannot be written, it is compared all the same."""
    names = zip(bill.digests, bill.names, strict=True)
    try:
        with closing(Bills(home.folder)) as bills:
            now_us = time.time_ns() // 1000
            done = bills.keep(name_of(provider), cells, names, now_us, zone=bill.zone)
    except (LedgerError, OSError) as error:
        note(f"the bill is not kept: {error}")
        return
    for line in _imported(done):
        note(line)


def _imported(done: Imported) -> Iterable[str]:
    if done.revised or done.gone:
        yield f"a revised bill: {done.revised} cell(s) changed, {done.gone} are gone"
    if done.cut_off:
        yield (
            f"{done.cut_off} cell(s) of the bill as it was known are missing here, and none changed: it may be cut off;"
            " what was known is kept"
        )


def _rates(home: Home) -> Convert:
    """The exchange rates of the contracts that the ledger bills by."""
    with closing(home.ledger()) as opened:
        return converting(opened.contracts)


def _show(found: Compared, as_json: bool, with_calls: bool) -> None:
    sums = summary(found.cells)
    if as_json:
        print_json(_record(found, one, with_calls) for one in found.cells)
        print_json({"summary": one} for one in sums)
        return
    rows = [_row(record(one)) for one in found.cells if one.split.cls != "equal"]
    print_table(_COLUMNS, rows, right=_RIGHT)
    for one in sums:
        note(
            f"{one['currency']}: ours {one['ours']}, theirs {one['theirs']}, explained {one['explained']}, unexplained "
            f"{one['unexplained']}"
        )
    note(f"{len(found.cells) - len(rows)} cell(s) are equal")


def _record(found: Compared, one: Reconciled, with_calls: bool) -> dict[str, Any]:
    if not with_calls or one.split.cls == "equal":
        return record(one)
    return {**record(one), "calls": found.calls.of(one.pair.cell)}


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    said = (one["day"], one["model"] or one["what"], one["token_type"], one["key"])
    return (
        *(text or "-" for text in said),
        one["ours"]["amount"],
        one["theirs"]["amount"] or "-",
        one["volume"],
        one["rate"],
        one["class"],
    )
