"""`tenants set`: what holds of a tenant from a day on, as a row of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json
from otel_genai_cost.cli.registry import directory_at, is_query, registry_path
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.tenants.append import append_rows, locked, rows_in, statement_of
from otel_genai_cost.ledger.tenants.check import Written, rows_of
from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.ledger.tenants.file import written_in
from otel_genai_cost.ledger.tenants.row import TenantRow, row_record

__all__ = ["register"]

_PLACE = "tenants set"
_TABLE = "tenants"

_RowsAfter = Callable[[Sequence[TenantRow]], list[TenantRow]]
"""The rows that are meant, given those that are there."""

_MergedIntoOption = Annotated[
    str | None, typer.Option(help="The id of the tenant whose calls these are from then on.")
]
_ContractTypeOption = Annotated[
    str | None, typer.Option(help="What it buys: usage, seat, flat or credit.")
]
_TimeZoneOption = Annotated[
    str | None, typer.Option(help="Whose days and months its statements are of: Europe/Berlin.")
]
_CurrencyOption = Annotated[str | None, typer.Option(help="Of its statements: EUR.")]
_EmailOption = Annotated[str | None, typer.Option(help="Where its statements go to.")]
_BillingIdOption = Annotated[
    list[str] | None,
    typer.Option(help="Who it is in a billing system: stripe=cus_123. Repeatable."),
]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost tenants`."""
    group.command(name="set")(_set)


def _set(
    tenant: Annotated[str, typer.Argument(metavar="ID", help="As it stands on the calls.")] = "",
    from_: Annotated[
        str, typer.Option("--from", help="From when it holds: RFC 3339 with an offset, or a date.")
    ] = "",
    to: Annotated[
        str, typer.Option("--to", help="Until when; default: until the tenant's next row.")
    ] = "",
    tz: Annotated[
        str, typer.Option("--tz", help="Whose days: Europe/Berlin, for example.")
    ] = "UTC",
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    plan: Annotated[str | None, typer.Option(help="What it has bought.")] = None,
    tier: Annotated[str | None, typer.Option(help="How it is served.")] = None,
    contract: Annotated[str | None, typer.Option(help="By which contract.")] = None,
    region: Annotated[str | None, typer.Option(help="Where it is.")] = None,
    owner: Annotated[str | None, typer.Option(help="The team that looks after it.")] = None,
    parent: Annotated[str | None, typer.Option(help="The id of the tenant above.")] = None,
    alias: Annotated[
        list[str] | None, typer.Option(help="Another id whose calls are this one's. Repeatable.")
    ] = None,
    revenue: Annotated[str | None, typer.Option(help='What a month brings, "1200.00 EUR".')] = None,
    merged_into: _MergedIntoOption = None,
    contract_type: _ContractTypeOption = None,
    time_zone: _TimeZoneOption = None,
    currency: _CurrencyOption = None,
    email: _EmailOption = None,
    billing_id: _BillingIdOption = None,
    file: Annotated[
        Path | None, typer.Option(help="Add the rows of this .toml or .csv file instead.")
    ] = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a dated row. What is not given is as in the row that held until then; '' takes a value away."""
    given = {
        "name": name,
        "plan": plan,
        "tier": tier,
        "contract": contract,
        "region": region,
        "owner": owner,
        "parent": parent,
        "aliases": alias,
        "revenue": revenue,
        "merged_into": merged_into,
        "contract_type": contract_type,
        "time_zone": time_zone,
        "currency": currency,
        "email": email,
        "billing_ids": billing_id,
    }
    head = {"tenant": tenant, "from": from_, "to": to}
    if file is None:
        rows_after = partial(_row, head=head, zone=tz, given=given)
    else:
        _check_alone({**given, **head})
        rows_after = partial(_rows_of, file)
    _add(Home.at(ledger), rows_after, as_json=as_json)


def _add(home: Home, rows_after: _RowsAfter, *, as_json: bool) -> None:
    path = registry_path(home)
    if is_query(path):
        _say_statement(path, directory_at(home).rows, rows_after)
    with locked(path):
        known = rows_in(path)
        rows = rows_after(known)
        added = append_rows(path, known, rows)
    note(f"{added} of {len(rows)} row{'' if len(rows) == 1 else 's'} added to {path}")
    if as_json:
        print_json(map(row_record, rows))


def _rows_of(file: Path, _: Sequence[TenantRow]) -> list[TenantRow]:
    return rows_of(written_in(file))


def _say_statement(path: Path, known: Sequence[TenantRow], rows_after: _RowsAfter) -> NoReturn:
    """Print what adds the rows where the query gets them from, and exit 1: none is added here."""
    rows = rows_after(known)
    directory_of([*known, *rows])
    sys.stdout.write(statement_of(rows, _TABLE))
    note(
        f"nothing was added: the registry is what {path} asks for. Run this where its rows are kept, with that table's "
        "name in the place of tenants"
    )
    raise typer.Exit(1)


def _check_alone(others: dict[str, Any]) -> None:
    """Raise ConfigurationError if a row is given beside a file."""
    if any(others.values()):
        raise ConfigurationError("--file has the rows", remedy="leave the other options out")


def _row(
    known: Sequence[TenantRow], head: dict[str, str], zone: str, given: dict[str, Any]
) -> list[TenantRow]:
    """The row that is meant: what is given, and the rest as it was until then."""
    (begun,) = rows_of([Written(head, _PLACE, 0, zone)])
    before = directory_of(known).own(begun.tenant, begun.from_us)
    changes = {key: value for key, value in given.items() if value is not None}
    if "merged_into" in changes or before is None or before.merged_into is not None:
        before = begun
    values = {**_values(before), **head, **changes}
    for key in ("aliases", "billing_ids"):
        if values[key] in ([""], [], {}):
            del values[key]
    return rows_of([Written(values, _PLACE, 0, zone)])


def _values(row: TenantRow) -> dict[str, Any]:
    """What a row says, but for when, as it might be written."""
    record = row_record(row)
    revenue, currency = record.pop("revenue"), record.pop("revenue_currency")
    record["revenue"] = None if revenue is None else f"{revenue} {currency}"
    return record
