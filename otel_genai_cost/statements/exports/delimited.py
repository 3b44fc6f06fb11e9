"""The lines of statements as CSV: a row a line, with what the statement says of itself on each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.reports.printable import csv_cell
from otel_genai_cost.statements.exports.numbering import number_of
from otel_genai_cost.statements.rounding import payable_text
from otel_genai_cost.statements.statement import Statement

__all__ = ["lines_csv"]

_HEAD: Final = (
    *("statement", "tenant", "scope", "scope_value", "period_from", "period_to", "zone"),
    *("revision", "state", "line", "product", "provider", "model", "leaf"),
    *("quantity", "unit", "amount", "currency", "unpriced", "gaps", "digest"),
)


def lines_csv(statements: Iterable[Statement]) -> str:
    """One row a line, and no sums: the column `amount` adds up to the totals. Text is inert in a spreadsheet.

    Args:
        statements: in the order in which they are written.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(_HEAD)
    for one in statements:
        writer.writerows(map(csv_cell, row) for row in _rows(one))
    return written.getvalue()


def _rows(one: Statement) -> Iterator[tuple[Any, ...]]:
    who = number_of(one), one.tenant, one.scope, one.scope_value
    when = rfc3339(one.period_from_us), rfc3339(one.period_to_us), one.zone
    for number, line in enumerate(one.lines, start=1):
        amount = payable_text(line.amount, one.currency)
        yield (
            *(*who, *when, one.revision, one.state, number),
            *(line.product, line.provider, line.model, line.leaf),
            *(line.quantity, line.unit, amount, one.currency),
            *(one.unpriced, one.gaps, one.digest),
        )
