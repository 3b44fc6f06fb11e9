"""Do the figures hold? Every total is made four times over, from different places, and must be the same to the last
digit: the ledger's entries, the net of its charges, the report of the DuckDB store, and what the provider billed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

__all__ = [
    "Figures",
    "Table",
    "arithmetic",
    "billed",
    "budget_problems",
    "differences",
    "of_charges",
    "of_entries",
    "of_report",
]

UNATTRIBUTED: Final = "unattributed"
Row = Mapping[str, Any]


class Figures(NamedTuple):
    """What one tenant's calls to one model came to."""

    calls: int = 0
    unpriced: int = 0
    total: Decimal = Decimal(0)

    def plus(self, calls: int, unpriced: int, total: str | None) -> Figures:
        """With one more row; a total that is not known adds nothing."""
        return Figures(
            self.calls + calls, self.unpriced + unpriced, self.total + Decimal(total or 0)
        )

    def __str__(self) -> str:
        return f"{self.calls} calls, {self.unpriced} unpriced, {self.total.normalize():f}"


Table = dict[tuple[str, str], Figures]
"""Figures by tenant and model."""


def _table(rows: Iterable[tuple[Row, int, int, str | None]]) -> Table:
    table: defaultdict[tuple[str, str], Figures] = defaultdict(Figures)
    for row, calls, unpriced, total in rows:
        key = row.get("tenant") or UNATTRIBUTED, row.get("model") or ""
        table[key] = table[key].plus(calls, unpriced, total)
    return {key: figures for key, figures in table.items() if figures != Figures()}


def of_entries(entries: Iterable[Row]) -> Table:
    """Sums of the signed entries."""
    return _table((row, row["calls"], row["unpriced"], row["amount"]) for row in entries)


def of_charges(charges: Iterable[Row]) -> Table:
    """Sums of the charges' nets."""
    return _table((row, row["calls"], row["unpriced"], row["amount"]) for row in charges)


def of_report(report: Iterable[Row]) -> Table:
    """The report's rows, as they are."""
    return _table((row, row["calls"], row["unpriced"], row["total"]) for row in report)


def billed(bill: Iterable[Row], priced: Iterable[Row]) -> Table:
    """What the provider billed, by the price book: `priced` answers the lines of `bill` in their order."""
    return _table(
        (line, 1, int(answer["status"] != "priced"), answer["total"])
        for line, answer in zip(bill, priced, strict=True)
    )


def differences(name: str, one: Table, other_name: str, other: Table) -> list[str]:
    """Every tenant and model for which the two disagree, in words."""
    return [
        f"{tenant} {model}: {name} has {one.get(key, Figures())}, "
        f"{other_name} has {other.get(key, Figures())}"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
        for tenant, model in [key]
    ]


def arithmetic(entries: Iterable[Row]) -> list[str]:
    """Entries whose lines do not re-add: amount = sum of the lines, line = quantity x unit price / per."""
    wrong: list[str] = []
    for entry in entries:
        lines = entry["lines"]
        if sum((Decimal(line["amount"]) for line in lines), Decimal(0)) != Decimal(entry["amount"]):
            wrong.append(f"entry {entry['id']}: {entry['amount']} is not the sum of its lines")
        wrong += [
            f"entry {entry['id']}: {line['leaf']} is not {line['quantity']} x {line['unit_price']}"
            for line in lines
            if Decimal(line["amount"]) * line["per"]
            != Decimal(line["unit_price"]) * line["quantity"]
        ]
    return wrong


def budget_problems(story: Row, amounts: list[Decimal], told: list[str]) -> list[str]:
    """What went wrong with the customer whose budget is capped, in words.

    Args:
        story: `cap`, how many `reviews` there were before it was declined, and to what the cap was `raised` then.
        amounts: what the provider billed it, in order.
        told: the types of the notices that the team got.
    """
    before = sum(amounts[: story["reviews"]], Decimal(0))
    after = sum(amounts, Decimal(0))
    cap, raised = Decimal(story["cap"]), Decimal(story["raised"])
    problems = [
        f"the cap of {limit} was exceeded: {spent} were billed"
        for spent, limit in ((before, cap), (after, raised))
        if spent > limit
    ]
    if before < cap * Decimal("0.8"):
        problems.append(f"it was declined at {before} of {cap}")
    if len(amounts) != story["reviews"] + 1:
        problems.append("it did not go on after its budget was raised")
    if told.count("genai_cost.crossed") != 1:
        problems.append(f"the notice of 80 % came {told.count('genai_cost.crossed')} times")
    return problems
