"""Stretches of time: the slots that a zone's clock is asked for give what the clock gives for every entry."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from otel_genai_cost.ledger.sink import Rows
from otel_genai_cost.pricing.instants import microseconds, zone_of
from otel_genai_cost.reports.clock import TIMES, begin
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.tables import report
from otel_genai_exporters.duckdb import COLUMNS

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour of summer
    "Asia/Kolkata",
    "Pacific/Apia",  # a day that was left out
    "Africa/Monrovia",  # 44 minutes and 30 seconds until 1972
    "America/Sao_Paulo",  # no midnight on some days
    "Africa/Casablanca",
]
YEARS = [("1960-01-01", "1973-06-01"), ("2011-12-20", "2012-01-10"), ("2026-01-01", "2027-01-01")]


class _Store:
    def __init__(self, path: Path) -> None:
        self.db = duckdb.connect(str(path))
        heads = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        self.db.execute(f"CREATE TABLE entries ({heads})")

    def query(self, sql: str, parameters: Any = ()) -> Rows:
        found = self.db.execute(sql, list(parameters))
        return Rows(tuple(one[0] for one in found.description or ()), found.fetchall())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> _Store:
    made, random = _Store(tmp_path_factory.mktemp("store") / "entries.duckdb"), Random(7)
    spans = [[microseconds(f"{day}T00:00:00Z") for day in span] for span in YEARS]
    rows = [
        (random.randrange(*spans[n % len(spans)]), f"t{n % 3}", random.randrange(1, 10**15))
        for n in range(6_000)
    ]
    made.db.execute(
        "INSERT INTO entries BY NAME SELECT row_number() OVER () AS seq, make_timestamp(us) AS occurred, tenant,"
        " CAST(atto AS DECIMAL(38, 18)) / 1000000000000000000 AS amount, 'USD' AS currency, 1 AS calls, 0 AS unpriced"
        " FROM (SELECT unnest($1) AS us, unnest($2) AS tenant, unnest($3) AS atto)",
        [list(column) for column in zip(*rows, strict=True)],
    )
    return made


def _us(text: str) -> int:
    """Offsets may have seconds, which RFC 3339 has not."""
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (instant - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("time", TIMES)
def test_every_stretch_has_what_its_entries_have_one_by_one(
    store: _Store, zone: str, time: str
) -> None:
    clock = zone_of(zone)
    expression = begin(time, clock, "occurred")
    one_by_one = store.query(
        f"SELECT CAST(epoch_us({expression}) AS BIGINT) AS at_us, tenant, CAST(sum(amount) AS DECIMAL(38, 18)), "
        "CAST(sum(calls) AS BIGINT) FROM entries GROUP BY ALL ORDER BY 1, 2"
    ).rows
    groups = report(store, [time, "tenant"], Selection(zone=clock))
    assert [
        (_us(str(one.keys[time])), one.keys["tenant"], one.total, one.calls) for one in groups
    ] == one_by_one
    assert len(one_by_one) > 3


def test_a_period_is_cut_at_its_ends_only(store: _Store) -> None:
    berlin = zone_of("Europe/Berlin")
    from_us, to_us = microseconds("2026-03-28T22:10:00Z"), microseconds("2026-03-29T22:10:00Z")
    chosen = Selection(from_us=from_us, to_us=to_us, zone=berlin, tenants=("t1", "t2"))
    found = report(store, ["day", "tenant"], chosen)
    everything = report(store, ["tenant"], chosen)
    assert {one.keys["day"] for one in found} <= {
        "2026-03-28T00:00:00+01:00",
        "2026-03-29T00:00:00+01:00",
        "2026-03-30T00:00:00+02:00",
    }
    assert sum(one.calls for one in found) == sum(one.calls for one in everything) > 0


def test_without_a_zone_nothing_is_joined(store: _Store) -> None:
    assert EVERYTHING.zone is timezone.utc
    assert sum(one.calls for one in report(store, ["day"])) == 6_000
