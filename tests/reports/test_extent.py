"""How much time calls take up: found at its ends, and equal to what looking at every second gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

import duckdb
import pytest

from otel_genai_cost.ledger.sink import Rows
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.tables import Extent, extent

_BEGIN_US: Final = microseconds("2026-11-01T00:00:00Z")
_SECOND_US: Final = 1_000_000


class _Store:
    def __init__(self, rows: Sequence[tuple[int, float, int, str]]) -> None:
        self._db = duckdb.connect()
        self._db.execute(
            "CREATE TABLE entries (seq BIGINT, occurred TIMESTAMP, calls INTEGER,"
            " amount DECIMAL(38, 18), tenant VARCHAR)"
        )
        for seq, at_s, calls, tenant in rows:
            at_us = _BEGIN_US + int(at_s * _SECOND_US)
            self._db.execute(
                "INSERT INTO entries VALUES (?, make_timestamp(?), ?, ?, ?)",
                [seq, at_us, calls, calls, tenant],
            )

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        found = self._db.execute(sql, list(parameters))
        return Rows((), found.fetchall())


def _rows(random: Random) -> Iterator[tuple[int, float, int, str]]:
    """Calls of some days, of which many are taken back again, those at the ends most of all."""
    seq = 0
    for _ in range(random.randrange(12)):
        at_s = random.choice([0, 1, 3_600, 90_000.5, 200_000]) + random.randrange(3)
        tenant = random.choice("ab")
        seq += 1
        yield seq, at_s, 1, tenant
        if random.random() < (0.8 if at_s in (0, 200_002) else 0.3):
            seq += 1
            yield seq, at_s, -1, tenant


def _by_seconds(
    rows: Sequence[tuple[int, float, int, str]], selection: Selection, until: int | None
) -> Extent:
    sums: dict[int, int] = {}
    for seq, at_s, calls, tenant in rows:
        at_us = _BEGIN_US + int(at_s * _SECOND_US)
        if (until is None or seq <= until) and selection.has_call(at_us, tenant, None, None):
            second = at_us // _SECOND_US * _SECOND_US
            sums[second] = sums.get(second, 0) + calls
    left = sorted(at for at, calls in sums.items() if calls)
    return Extent(sum(sums.values()), *((left[0], left[-1]) if left else (None, None)))


@pytest.mark.parametrize("seed", range(60))
def test_it_is_what_every_second_says(seed: int) -> None:
    random = Random(seed)
    rows = list(_rows(random))
    store = _Store(rows)
    for selection in (
        EVERYTHING,
        Selection(tenants=("a",)),
        Selection(from_us=_BEGIN_US + 1, to_us=_BEGIN_US + 200_001 * _SECOND_US),
        Selection(visible=()),
    ):
        for until in (None, len(rows) // 2):
            assert extent(store, selection, until) == _by_seconds(rows, selection, until)
