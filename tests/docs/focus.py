"""The page of what the columns of FOCUS are filled with."""

from __future__ import annotations

from otel_genai_cost.statements.exports.focus_columns import COLUMNS
from otel_genai_cost.statements.exports.focus_files import SQL_TYPES
from tests.docs.tables import table

__all__ = ["focus"]

_INTRODUCTION = """# FOCUS

What the columns of `genai-cost statements export --format focus-csv` and `focus-parquet` are filled with; `--focus`
chooses the version, 1.2 unless 1.4 is asked for.

The official validator of 1.2 finds nothing in them, with the criteria of what a statement can do, but for one of two
rules that exclude each other (`InvoiceId` is to be empty, and is not to be), which it counts for every file that has
rows: `tests/environments/test_focus.py`. It wants ASCII, so in 1.2 other characters, and backslashes, are escaped
(`M\\u00fcller`).

A call without a price has no row: `x_StatementUnpriced` counts them. In a statement in credits `BilledCost` is 0,
since they were paid for when they were bought, and `PricingCurrencyEffectiveCost` adds up to the total.

"""


def focus() -> str:
    """The page."""
    rows = [
        (f"`{column.name}`", SQL_TYPES[column.kind], " ".join(column.versions), column.meaning)
        for column in COLUMNS
    ]
    return _INTRODUCTION + table(("column", "type", "version", "filled with"), rows)
