"""The one table of an entry's columns, as every store makes its own of it."""

from __future__ import annotations

import re
from pathlib import Path

from otel_genai_cost.attributes import LABELS
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.duckdb import COLUMNS as IN_DUCKDB
from otel_genai_exporters.entry_columns import COLUMNS, row_of, typed, values_of
from tests.exporters.entries import entries


def test_a_row_has_every_column_in_order() -> None:
    (entry,) = entries(1, first=7)
    row = dict(zip(COLUMNS, row_of(entry), strict=True))
    assert (row["seq"], row["id"], row["tenant"], row["plan"]) == (7, entry.id, "acme", "pro")
    assert (row["occurred"], row["booked"]) == (entry.occurred_us, entry.booked_us)
    assert [name for name in LABELS if row[name] is None] == ["feature", "workflow", "agent"]


def test_values_name_no_column_that_is_not_there() -> None:
    (entry,) = entries(1)
    assert set(values_of(entry)) <= set(COLUMNS)
    assert set(COLUMNS) - set(values_of(entry)) == {"feature", "workflow", "agent"}


def test_money_is_what_the_store_asks_for() -> None:
    (entry,) = entries(1)
    as_text, as_atto = values_of(entry), values_of(entry, int)
    amounts = [name for name, kind in COLUMNS.items() if kind == "money"]
    assert as_atto["amount"] == entry.amount
    assert [parse_money(str(as_text[name])) for name in amounts] == [as_atto[n] for n in amounts]


def test_types_are_the_stores_own() -> None:
    kinds = {"text": "t", "integer": "i", "bigint": "b", "money": "m", "instant": "u"}
    found = typed({kind: kinds[kind] for kind in COLUMNS.values()})
    assert list(found) == list(COLUMNS) == list(IN_DUCKDB)
    assert (found["seq"], found["amount"], found["occurred"], found["lines"]) == (
        "b",
        "m",
        "u",
        "t",
    )


def test_the_page_of_stores_names_every_column_in_order() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "stores.md").read_text("utf-8")
    named = re.findall(r"`(\w+)`", page[page.index("## Columns") : page.index("Amounts have")])
    assert named == list(COLUMNS)
