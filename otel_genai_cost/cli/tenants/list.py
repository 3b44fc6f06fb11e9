"""`tenants list`: every tenant of the registry, and every id of a call that is in no row of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import (
    CsvOption,
    JsonOption,
    form_of,
    note,
    print_csv,
    print_json,
    print_table,
)
from otel_genai_cost.cli.registry import joined, registry_path
from otel_genai_cost.cli.selecting import selecting
from otel_genai_cost.ledger.tenants.billing_terms import TERMS
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import report
from otel_genai_cost.reports.tenants import SEEN, Listed, listed, listed_record

__all__ = ["register"]

_COLUMNS: Final = ("tenant", "name", "plan", "parent", "owner", "state", "calls", "spend")
_CSV: Final = (
    "tenant",
    "from",
    "to",
    "name",
    "plan",
    "tier",
    "contract",
    "region",
    "owner",
    "parent",
    "aliases",
    "revenue",
    "revenue_currency",
    "merged_into",
    *TERMS,
    "state",
    "calls",
    "spend",
)


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost tenants`."""
    group.command(name="list")(selecting(_list, without=("model", "feature")))


def _list(
    selection: Selection,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Every tenant with the row that holds now, or --as-of, and what its calls cost; then ids of calls that are in no
    row at their time."""
    form, home = form_of(as_json=as_json, as_csv=as_csv), Home.at(ledger)
    found = list(_found(home, selection))
    records = [listed_record(one) for one in found]
    if form == "json":
        print_json(records)
        return
    texts = [record | _texts(record) for record in records]
    if form == "csv":
        print_csv(_CSV, texts)
    elif texts:
        rows = [[str(text[name] or "-") for name in _COLUMNS] for text in texts]
        print_table(_COLUMNS, rows, right=frozenset({"calls"}))
    for warning in dict.fromkeys(one for each in found for one in each.warnings):
        note(warning)
    if not found:
        note(
            f"no tenant is registered in {registry_path(home)}, and no call names one: "
            "add one with `genai-cost tenants set ID --from DAY --name NAME`"
        )


def _found(home: Home, selection: Selection) -> Iterator[Listed]:
    has_ledger, selection = home.fresh(), joined(home, selection)
    seen = report(home.store(), SEEN, selection) if has_ledger else []
    at_us = time.time_ns() // 1000 if selection.as_of_us is None else selection.as_of_us
    for one in listed(selection.directory, at_us, seen):
        if not selection.tenants or one.row.tenant in selection.tenants:
            yield one


def _texts(record: Mapping[str, Any]) -> dict[str, str]:
    """Lists and amounts as a cell has them."""
    spend = ", ".join(f"{amount} {currency}" for currency, amount in record["spend"].items())
    ids = " ".join(f"{vendor}={name}" for vendor, name in record["billing_ids"].items())
    return {"aliases": " ".join(record["aliases"]), "billing_ids": ids, "spend": spend}
