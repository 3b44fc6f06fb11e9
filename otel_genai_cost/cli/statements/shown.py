"""Statements as JSON or a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from otel_genai_cost.cli.output import note, print_json, print_table
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.statements.exports.numbering import whose_name
from otel_genai_cost.statements.rounding import payable_text
from otel_genai_cost.statements.statement import Spread, Statement, statement_record
from otel_genai_cost.statements.store import Kept

__all__ = ["kept_record", "note_state", "print_statements", "spread_words", "whose"]

_COLUMNS: Final = (
    *("tenant", "period", "zone", "revision", "total", "currency", "calls", "unpriced", "gaps"),
    *("state", "digest"),
)
_RIGHT: Final = frozenset({"revision", "total", "calls", "unpriced", "gaps"})
_DIGITS: Final = 12


def print_statements(statements: Sequence[Statement], *, as_json: bool) -> None:
    """One object a line, or a table.

    Args:
        statements: in the order in which they are shown.
        as_json: whether for machines.
    """
    if as_json:
        print_json(map(statement_record, statements))
    elif statements:
        print_table(_COLUMNS, list(map(_row, statements)), right=_RIGHT)


def whose(one: Statement) -> str:
    """Who a statement is about, and what of them."""
    of = "" if one.scope is None else f", {one.scope} {one.scope_value or '-'}"
    return f"{whose_name(one)}{of}"


def _row(one: Statement) -> list[str]:
    return [
        *(whose(one), one.label, one.zone, str(one.revision)),
        *(payable_text(one.total, one.currency), one.currency, str(one.calls)),
        *(str(one.unpriced), str(one.gaps), one.state, one.digest[:_DIGITS]),
    ]


def kept_record(kept: Kept) -> Mapping[str, Any]:
    """A statement as it is kept, as JSON: with when it was stated."""
    return {**statement_record(kept.statement), "stated_at": rfc3339(kept.stated_us)}


def spread_words(spread: Spread) -> str:
    """By which rule what is nobody's is spread."""
    return f"what is nobody's is spread over tenants by {spread.rule}"


def note_state(statements: Sequence[Statement]) -> None:
    """Say on stderr how what is nobody's is spread, what is not stated yet, and why.

    Args:
        statements: all that are shown.
    """
    for said in dict.fromkeys(spread_words(one.spread) for one in statements if one.spread):
        note(said)
    waiting = [one for one in statements if one.state == "open"]
    if waiting:
        last_us = max(one.period_to_us for one in waiting)
        note(
            f"{len(waiting)} of them preliminary and not kept: the period, which ends at {rfc3339(last_us)}, or the "
            "grace after it is not over"
        )
    for one in statements:
        if one.state == "blocked":
            note(f"{_name(one)} is not closed: {'; '.join(_reasons(one))}")


def _name(one: Statement) -> str:
    return f"{whose_name(one)}, {one.label}, revision {one.revision}"


def _reasons(one: Statement) -> Iterable[str]:
    yield from one.notes
    if one.gaps and "gaps" not in one.accepted:
        yield (
            f"{one.gaps} journal record(s) are missing that may be of the period; see `genai-cost journal verify`, "
            "or pass --with-gaps"
        )
    if one.unpriced and "unpriced" not in one.accepted:
        yield (
            f"{one.unpriced} call(s) have no price; see `genai-cost unpriced`, or pass --with-unpriced"
        )
