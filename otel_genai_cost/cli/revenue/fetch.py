"""`revenue fetch`: rows of revenue from a vendor's API."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from otel_genai_cost.cli.api_key import ApiKeyOption, api_key
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.cli.revenue.import_ import customers_of, keep
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.reports.asking import instant
from otel_genai_cost.reports.revenue.fetch import HOSTS, fetch_invoices
from otel_genai_cost.reports.revenue.files import invoices_read
from otel_genai_cost.reports.revenue.store import digests_in

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost revenue`."""
    group.command(name="fetch")(_fetch)


def _fetch(
    vendor: Annotated[
        str,
        typer.Argument(help=f"{', '.join(HOSTS)}.", autocompletion=lambda: list(HOSTS)),
    ],
    key: ApiKeyOption = "",
    from_: Annotated[
        str, typer.Option("--from", help="Invoices made from then on, with an offset, or a date.")
    ] = "",
    url: Annotated[str, typer.Option(help="Where the API is, if not at the vendor's.")] = "",
    partial: Annotated[
        bool, typer.Option("--partial", help="Keep the rows that are whole, and exit 1.")
    ] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a vendor's invoices by its API: all, or none if anything is wrong. Again, it adds what is new."""
    if vendor not in HOSTS:
        raise ConfigurationError(
            "no such vendor", value=vendor, remedy=f"write {' or '.join(HOSTS)}"
        )
    home, secret = Home.at(ledger), api_key(key)
    found = list(fetch_invoices(vendor, secret, instant("--from", from_), url))
    customers, kept = customers_of(directory_at(home)), digests_in(home.folder)
    read = invoices_read(found, vendor, customers, kept)
    keep(home, read, partial=partial, as_json=as_json, now_us=time.time_ns() // 1000)
