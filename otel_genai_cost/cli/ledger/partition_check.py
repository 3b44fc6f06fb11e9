"""`ledger partition-check`: what this ledger's history would have lost, had several workers settled it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.streaming.partition_check import Lost, partition_check

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost ledger`."""
    group.command(name="partition-check")(_partition_check)


def _partition_check(ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """By which key a stream of these observations can be cut: what was joined across cells, and across traces, is
    settled once more in parts. `lost` joins would have been charges of their own, `lost_amount` the excess."""
    home = Home.to_read(ledger)
    rate_again = Books(home.journals).rate_again
    found = list(home.ask(lambda opened: partition_check(opened, rate_again)))
    if not found:
        note(f"there is no ledger in {home.folder} yet: nothing was settled that could be parted")
    rows = [row for one in found for row in _rows(one)]
    if as_json or not found:
        print_json(rows)
        return
    names = tuple(rows[0])
    print_table(
        names, [[str(row[name]) for name in names] for row in rows], right=frozenset(names[1:5])
    )
    note(_advice(found))


def _rows(one: Lost) -> Iterator[dict[str, Any]]:
    """One for each currency; of what costs nothing, one in USD."""
    for currency, amount in sorted(one.amounts.items()) or [("USD", 0)]:
        yield {
            "key": one.key,
            "joins": one.joins,
            "lost": one.lost,
            "moved": one.moved,
            "lost_amount": format_money(amount),
            "currency": currency,
        }


def _advice(found: Sequence[Lost]) -> str:
    whole = [one.key for one in found if not one.lost and not one.moved]
    if "trace" in whole:
        return (
            "cut by trace: nothing was joined across traces, and there are more traces than cells"
        )
    if "cell" in whole:
        return "cut by cell: nothing was joined across cells"
    return "processes that told of one response are in several cells: set genai_cost.cell so that they share one"
