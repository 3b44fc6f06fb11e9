"""A small ledger with everything that a report may have to show."""

from __future__ import annotations

from pathlib import Path

from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_exporters.duckdb import DuckDBSink
from tests.ledger.build import BOOK, observe, tenant

HOSTILE = "<script>alert(1)</script>"


def make_home(folder: Path) -> Path:
    """acme: two calls, one told of twice; globex: an unknown model; nobody: one call; and a name that bites."""
    journal = Journal([folder / "journal"])
    acme, globex = tenant("acme", feature="search"), tenant("globex", feature=HOSTILE)
    for one in (
        observe(2, above=(1,), end_s=2, attribution=acme, parts={"cache_read": 512}),
        observe(1, end_s=3, attribution=acme, scope="framework", model=None),
        observe(3, trace=3, start_s=4_000, end_s=4_001, attribution=acme),
        observe(4, trace=4, start_s=60, end_s=61, attribution=globex, model="house-model"),
        observe(5, trace=5, start_s=120, end_s=121, attribution=Attribution()),
        observe(
            6,
            trace=6,
            start_s=180,
            end_s=181,
            attribution=acme,
            tokens=None,
            error="openai.RateLimitError",
        ),
    ):
        journal.append(to_record(one))
    journal.close()
    store_book(folder / "journal", BOOK.digest, BOOK.lock)
    ship(folder, [folder / "journal"], drain=True, sinks=[DuckDBSink(folder / "charges.duckdb")])
    return folder
