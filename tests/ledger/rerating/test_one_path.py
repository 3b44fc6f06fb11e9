"""Re-rating goes the way that every posting goes: it comes to what settling and posting anew would have come to."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.rerating.books import Books, rated_with
from otel_genai_cost.ledger.rerating.rerate import rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import START_US, observe, tenant
from tests.ledger.settlement.test_settle import SPANS
from tests.pricing.books import price_file

_NOW_US = START_US + 100_000_000
_MODEL = "gpt-4o-2024-08-06"


def _book(rates: str) -> Book:
    """A book that knows OpenAI's gpt-4o alone, or a model that nobody calls."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prices.toml"
        path.write_text(price_file(_MODEL if rates else "another", rates or "input = 1"))
        return load_book(path)


_BOOKS = [
    _book(rates)
    for rates in (
        "",
        "input = 2.5\ncache_read = 1.25\noutput = 10",
        "input = 3\ncache_read = 1.25\noutput = 10",
        "input = 2.5\noutput = 4",  # no rate for what was read from a cache: partial
    )
]

_PARTS: tuple[dict[str, int], ...] = ({}, {"cache_read": 300}, {"reasoning": 40})
_SHARED = st.builds(
    lambda kind, trace, whose: observe(
        7 + kind, trace=trace, parts=_PARTS[kind], attribution=whose
    ),
    st.integers(0, 2),
    st.integers(3, 4),
    st.sampled_from(
        [
            Attribution(None, "edge", "missing", "user", {}, (("acme", 2), ("globex", 1))),
            tenant("acme", feature="search"),
        ]
    ),
)
"""Calls by span: copies of one agree in their usage. Which of two that differ is the richer depends on the book that
each was priced with, and a re-rate keeps to it."""


def _ledger(folder: Path, observations: Iterable[Observation], book: Book) -> Ledger:
    """A ledger of calls that were priced with that book."""
    ledger = Ledger(folder / LEDGER_FILE)
    priced = [one._replace(cost=rated_with(one, book)) for one in observations]
    with ledger.transaction():
        ledger.ingest([to_record(one) for one in priced], _NOW_US, 0)
        settle_waiting(ledger, 1 << 62, _NOW_US, lambda one, digest: None)
    return ledger


def _nets(ledger: Ledger) -> dict[str, list[Position]]:
    """What every charge comes to, whatever steps led there: lines have no order, and a book that changed nothing is not
    noted."""
    return {
        charge.charge_id: [
            one._replace(lines=tuple(sorted(one.lines)), book=None) for one in charge.positions
        ]
        for charge in charges(ledger)
    }


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(SPANS, _SHARED), max_size=6),
    st.lists(st.sampled_from(_BOOKS), min_size=2, max_size=4),
)
def test_rerating_equals_settling_and_posting_anew(
    observations: list[Observation], books: Sequence[Book]
) -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        rerated = _ledger(Path(first), observations, books[0])
        anew = _ledger(Path(second), observations, books[-1])
        for now_us, book in enumerate(books[1:], start=1):
            list(rerate(rerated, book, Books([Path(first)]), now_us=now_us))
        assert _nets(rerated) == _nets(anew)
        assert sum(e.amount for e in rerated.entries) == sum(e.amount for e in anew.entries)
        assert list(rerate(rerated, books[-1], Books([Path(first)]), now_us=9)) == []
        rerated.close()
        anew.close()


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        ("entry", "body = replace(CAST(body AS TEXT), '[\"0.', '[\"many 0.')"),
        ("entry", "body = replace(CAST(body AS TEXT), '[[1000,', '[[\"1000\",')"),
        ("entry", "body = substr(body, 1, 9)"),
        ("entry", "unpriced = 'none'"),
        ("entry", "terms = 999"),
        ("observation", "body = CAST('{}' AS BLOB)"),
        ("observation", "words = 999"),
    ],
    ids=["an amount", "a quantity", "torn", "a count", "terms", "an observation", "words"],
)
@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "posted"])
def test_damaged_row_is_named_and_nothing_of_its_batch_is_posted(
    tmp_path: Path, table: str, damage: str, dry_run: bool
) -> None:
    calls = [observe(n, trace=n, start_s=60 * n, end_s=60 * n + 1) for n in (1, 2, 3)]
    ledger = _ledger(tmp_path, calls, _BOOKS[1])
    with sqlite3.connect(ledger.path) as db:
        key = "seq" if table == "entry" else "n"
        db.execute(f"UPDATE {table} SET {damage} WHERE {key} = 2")
    db.close()
    with pytest.raises(LedgerError, match=f"row 2 of the table {table} .* is damaged"):
        list(rerate(ledger, _BOOKS[2], Books([tmp_path]), now_us=1, dry_run=dry_run))
    assert ledger.entries.last_seq() == 3
    ledger.close()
