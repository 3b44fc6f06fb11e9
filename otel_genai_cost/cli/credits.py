"""`credits`: what tenants paid before, what their calls burnt of it, and what is left."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table, say
from otel_genai_cost.errors import ConfigurationError, GrantsError, LedgerLockedError, Problem
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.credit_json import (
    balance_json,
    grant_json,
    grant_state_json,
)
from otel_genai_cost.ledger.projections.credits import MARK_EVENT
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.granting import grant_credit
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.grant_form import mark_problems
from otel_genai_cost.pricing.written_tables import written_tables

__all__ = ["register"]

TenantOption = Annotated[str, typer.Option("--tenant", help="The tenant's id.")]
CurrencyOption = Annotated[
    str, typer.Option(help="ISO 4217, or ACU for credits of your own: that of the calls' price.")
]

_GRANT_COLUMNS: Final = (
    "tenant",
    "currency",
    "ref",
    "kind",
    "priority",
    "from",
    "expires",
    "amount",
    "burnt",
    "expired",
    "left",
    "state",
)
_SUMS: Final = ("granted", "burnt", "expired", "held", "available")
_RIGHT: Final = frozenset({"priority", "amount", "left", "overdraft", *_SUMS})


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Prepaid credit: granted, burnt by calls, and what is left.", no_args_is_help=True
    )
    group.command(name="grant")(_grant)
    group.command(name="list")(_list)
    group.command(name="balance")(_balance)
    group.command(name="mark")(_mark)
    app.add_typer(group, name="credits")


def _grant(
    tenant: TenantOption = "",
    amount: Annotated[str, typer.Option(help="How much, a decimal number.")] = "",
    currency: CurrencyOption = "USD",
    ref: Annotated[
        str, typer.Option(help="What you call it. The same again, with the same rest, is no more.")
    ] = "",
    from_: Annotated[
        str, typer.Option("--from", help="From when calls may burn it, with an offset; now.")
    ] = "",
    expires: Annotated[str, typer.Option(help="Until when, with an offset; for ever.")] = "",
    priority: Annotated[
        int | None, typer.Option(help="0, burnt first, to 100; 50 unless given.")
    ] = None,
    kind: Annotated[str, typer.Option(help="paid, promo, rollover or refund.")] = "paid",
    cost_basis: Annotated[str, typer.Option(help="What a unit was paid with.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="Grant what the [[grant]] tables of this TOML file say.")
    ] = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grant credit: all that is given, or nothing if anything is wrong with it."""
    given: dict[str, Any] = {"tenant": tenant, "amount": amount}
    if file is not None and any(given.values()):
        raise ConfigurationError("--file has the grants", remedy="leave the other options out")
    if file is not None:
        grants, lines = written_tables(file, "grant", GrantsError)
    else:
        options = {
            "ref": ref or uuid4().hex,
            "currency": currency,
            "from": from_,
            "expires": expires,
            "priority": priority,
            "kind": kind,
            "cost_basis": cost_basis,
        }
        given.update(options)
        grants, lines = [{key: one for key, one in given.items() if one not in ("", None)}], ()
    _write(Home.at(ledger), grants, str(file or "credits grant"), lines, as_json=as_json)


def _write(
    home: Home,
    written: Sequence[Mapping[str, Any]],
    place: str,
    lines: Sequence[int],
    *,
    as_json: bool,
) -> None:
    now_us = time.time_ns() // 1000
    found = grant_credit(home.folder / LEDGER_FILE, written, now_us, place=place, lines=lines)
    _apply(home)
    fresh = sum(one.is_new for one in found)
    note(f"{fresh} of {len(found)} grant(s) added; {len(found) - fresh} had been granted before")
    if as_json:
        print_json({**grant_json(one.grant), "new": one.is_new} for one in found)


def _apply(home: Home) -> None:
    """Have the ledger read what was decided."""
    try:
        ship(home.folder, ())
    except LedgerLockedError:
        note("another process ships into this ledger: it takes effect within seconds")


def _list(
    tenant: TenantOption = "", ledger: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Every grant, and what has become of it."""
    now_us = time.time_ns() // 1000
    records = [
        grant_state_json(one, now_us)
        for one in Home.to_read(ledger).ask(lambda opened: opened.credits.grants(tenant or None))
    ]
    _print(records, _GRANT_COLUMNS, as_json=as_json)


def _balance(
    tenant: TenantOption = "",
    currency: Annotated[str, typer.Option(help="Of this currency only.")] = "",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What each tenant has: granted, less burnt, expired and held."""
    now_us = time.time_ns() // 1000
    found = Home.to_read(ledger).ask(lambda opened: _balances(opened, tenant or None, now_us))
    records = [one for one in found if currency in ("", one["currency"])]
    _print(records, ("tenant", "currency", *_SUMS, "overdraft"), as_json=as_json)
    if as_json:
        return
    for one in records:
        if one["unpriced"]:
            note(f"{one['tenant']}: {one['unpriced']} call(s) have no price yet, and burn nothing")
        for other in one["outside"]:
            what = f"{other['amount']} {other['currency']}"
            note(f"{one['tenant']}: {what} of calls are in a currency of which nothing was granted")


def _balances(opened: Ledger, tenant: str | None, now_us: int) -> Iterator[dict[str, Any]]:
    with opened.snapshot():
        seq = opened.entries.last_seq()
        for one in opened.credits.balances(now_us, seq, tenant):
            yield balance_json(one, opened.credits.outside(one.tenant))


def _print(records: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json(records)
    elif records:
        rows = [[str(record[name] or "-") for name in columns] for record in records]
        print_table(columns, rows, right=_RIGHT)
    if not records:
        note("no credit was granted: see `genai-cost credits grant --help`")


def _mark(
    tenant: TenantOption,
    below: Annotated[
        str, typer.Option(help="Ask for a top-up below this balance; '' to ask for none.")
    ],
    currency: CurrencyOption = "USD",
    ledger: HomeOption = None,
) -> None:
    """Say below what balance the team and the tenant are asked for a top-up."""
    problems = [Problem("credits mark", 0, *one) for one in mark_problems(tenant, currency, below)]
    if problems:
        raise GrantsError(tuple(problems))
    home = Home.at(ledger)
    event = {"tenant": tenant, "currency": currency, "below": below or None}
    decide(home.folder, {"type": MARK_EVENT, "at_us": time.time_ns() // 1000, **event})
    _apply(home)
    say(
        f"{tenant} is asked for a top-up below {below or 'nothing'} {currency if below else ''}".strip()
    )
