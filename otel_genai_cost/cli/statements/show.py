"""`statements show`: one statement with its lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, print_json, print_table, say
from otel_genai_cost.cli.statements.asked import (
    AnchorOption,
    AnyPeriodOption,
    CadenceOption,
    RevisionOption,
)
from otel_genai_cost.cli.statements.list import kept_of
from otel_genai_cost.cli.statements.shown import kept_record, spread_words, whose
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.statements.rounding import payable_text
from otel_genai_cost.statements.statement import Statement, is_of, is_spread
from otel_genai_cost.statements.store import Kept

__all__ = ["is_meant", "register"]

_COLUMNS: Final = ("product", "quantity", "unit", "amount")
_DIGITS_MIN: Final = 8


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost statements`."""
    group.command(name="show")(_show)


def _show(
    which: Annotated[
        str,
        typer.Argument(metavar="WHICH", help="A tenant's id, or 8 digits of a digest or more."),
    ],
    period: AnyPeriodOption = "",
    cadence: CadenceOption = None,
    anchor: AnchorOption = None,
    revision: RevisionOption = None,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Statements with all of their lines: those of a tenant, or the one that has a digest."""
    home = Home.to_read(ledger)
    found = [
        kept
        for kept in kept_of(home, period, cadence, anchor, None)
        if is_meant(kept.statement, which)
        and (revision is None or kept.statement.revision == revision)
    ]
    if not found:
        raise ConfigurationError(
            "no such statement",
            value=which,
            where=period,
            remedy="see genai-cost statements list",
        )
    if as_json:
        print_json(map(kept_record, found))
    else:
        _say(found)


def is_meant(one: Statement, which: str) -> bool:
    """Whether a statement is a tenant's, or has a digest.

    Args:
        one: the statement.
        which: the tenant's id, or the beginning of the digest.
    """
    by_digest = len(which) >= _DIGITS_MIN and one.digest.startswith(which.lower())
    return by_digest or is_of(one.tenant, one.whose, (which,))


def _say(found: Sequence[Kept]) -> None:
    for kept in found:
        one = kept.statement
        say(
            f"{whose(one)}, {one.label}: {rfc3339(one.period_from_us)} to "
            f"{rfc3339(one.period_to_us)} ({one.zone}), revision {one.revision}, entries {one.seq_from} to "
            f"{one.seq_to}, stated {rfc3339(kept.stated_us)}"
        )
        rows = [
            (
                line.product,
                *(("", "") if is_spread(line) else (f"{line.quantity:,}", line.unit)),
                payable_text(line.amount, one.currency),
            )
            for line in one.lines
        ]
        total = ("total", "", one.currency, payable_text(one.total, one.currency))
        print_table(_COLUMNS, rows, right=frozenset({"quantity", "amount"}), footer=[total])
        say(
            f"price {format_money(one.price)} {one.currency}, cost {format_money(one.cost)} {one.cost_currency}, "
            f"{one.calls} calls, {one.unpriced} without a price, {one.gaps} records missing\ndigest {one.digest}"
        )
        if one.spread is not None:
            say(
                f"{spread_words(one.spread)}: this statement bears {format_money(one.spread.share)}"
            )
