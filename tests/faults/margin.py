"""What customers bring and what actions cost, on ledgers of size: each action equals its trace, and loss-makers come
first."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.reports.actions import actions
from otel_genai_cost.reports.margin.report import Known, Question, margin
from otel_genai_cost.reports.revenue.files import read_revenue
from otel_genai_cost.reports.selection import EVERYTHING
from otel_genai_exporters.duckdb import DuckDBSink
from tests.faults.row import Row
from tests.reports.actions_home import make_actions
from tests.reports.margin_home import make_margin

__all__ = ["rows"]

_LOSERS: Final = 20
_TARGET: Final = 7 * ATTO // 10


def rows(short: bool) -> Iterator[Row]:
    """The rows of the table.

    Args:
        short: whether smaller ledgers will do.
    """
    yield _actions(100 if short else 10_000)
    yield _loss_makers(60 if short else 300)


def _actions(count: int) -> Row:
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home, observed = make_actions(Path(folder), count)
        wanted: Counter[tuple[str | None, str | None]] = Counter()
        for one in observed:
            wanted[one.attribution.tenant, one.trace_id] += one.cost.total or 0
        with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
            store = DuckDBSink(home / "charges.duckdb")
            groups = actions(store, ledger, ["tenant", "action"])
        found = {(one.keys["tenant"], one.keys["action"]): one.cost for one in groups}
    equal = sum(found.get(key) == cost for key, cost in wanted.items())
    return Row(
        name=f"{count:,} actions of 15 to 50 calls, {len(observed):,} calls",
        wanted=f"{count:,} equal",
        found=f"{equal:,} equal their traces, to the last digit",
        held=equal == count == len(found),
        seconds=time.monotonic() - begun_s,
    )


def _loss_makers(tenants: int) -> Row:
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        made = make_margin(Path(folder), tenants, _LOSERS)
        revenue = Path(folder) / "revenue.csv"
        revenue.write_text(made.csv, encoding="utf-8")
        read = read_revenue([revenue], "csv", lambda vendor, name: None)
        with closing(Ledger(made.folder / LEDGER_FILE, readonly=True)) as ledger:
            known = Known(read.rows, (), ledger.contracts, microseconds("2026-12-01T00:00:00Z"))
            store = DuckDBSink(made.folder / "charges.duckdb")
            report = margin(store, known, EVERYTHING, Question("USD", target=_TARGET))
    first = frozenset(str(row.account.name) for row in report.rows[:_LOSERS])
    rest = [row for row in report.rows[_LOSERS:] if (row.figures.margin or 0) < 0]
    return Row(
        name=f"{_LOSERS} loss-makers among {tenants} tenants",
        wanted=f"{_LOSERS} first",
        found=f"{len(first & made.losers)} of the first {_LOSERS}, {len(rest)} after them",
        held=first == made.losers and not rest and not read.problems,
        seconds=time.monotonic() - begun_s,
    )
