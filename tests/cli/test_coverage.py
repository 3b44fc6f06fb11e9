"""`coverage`: which share of the spend has a tenant's name on it, and why the rest has none."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.tenancy.attribution import Attribution
from tests.cli.homes import home_of, seconds_of
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant

Capture = pytest.CaptureFixture[str]


def test_service_that_sends_a_sample_is_named_and_nothing_is_made_of_the_rest(
    capsys: Capture, tmp_path: Path
) -> None:
    found = [observe(n, trace=n, start_s=n, end_s=n + 1, response_id=f"r{n}") for n in range(1, 5)]
    by_hop = [one._replace(threshold="c") for one in found[:3]]
    by_hop[1] = by_hop[1]._replace(origin=found[1].origin._replace(service="search"))
    live = found[0]  # of this call the application's own journal has a copy
    home = home_of(tmp_path, [*by_hop, live, found[3]])
    (row,) = rows_of(capsys, "coverage", "--ledger", str(home))
    assert row["partial"] == [
        {"service": "search", "observations": 1},
        {"service": "shop", "observations": 1},
    ]
    assert Decimal(row["spend"]["USD"]["total"]) == 4 * Decimal("0.0035")
    assert "partial, search" in call(capsys, "coverage", "--ledger", str(home)).out
    (note,) = call(capsys, "report", "--ledger", str(home)).err.splitlines()
    assert "partial coverage of search, shop" in note
    (home / "ledger.sqlite").rename(home / "away")
    (home / "ledger.sqlite").write_bytes(b"no ledger")  # what reports read is there
    assert "acme" in call(capsys, "report", "--ledger", str(home)).out
    (home / "away").rename(home / "ledger.sqlite")
    early = ("--to", "2026-11-01")
    (row,) = rows_of(capsys, "coverage", *early, "--ledger", str(home))
    assert row["partial"] == []


def test_spend_by_whose_it_is_adds_up_exactly(capsys: Capture, tmp_path: Path) -> None:
    nobodys = [
        Attribution(absent=why) for why in ("missing", "missing", "stale", "invalid", "conflict")
    ]
    found = [
        tenant("acme"),
        tenant("globex"),
        Attribution(None, "for_tenant", shares=(("acme", 2), ("globex", 1))),
        Attribution(absent="system", initiator="system"),
        *nobodys,
    ]
    home = home_of(
        tmp_path,
        [
            observe(
                n,
                trace=n,
                start_s=n * 60,
                end_s=n * 60 + 1,
                attribution=one,
                response_id=f"r{n}",
                tokens=(1000 + n, 100),
            )
            for n, one in enumerate(found, start=1)
        ],
    )
    (row,) = rows_of(capsys, "coverage", "--ledger", str(home))
    each = [Decimal(1000 + n) * Decimal("2.5e-6") + Decimal("0.001") for n in range(1, 10)]
    spend = row["spend"]["USD"]
    assert Decimal(spend["tenants"]) == sum(each[:3])
    assert Decimal(spend["system"]) == each[3]
    assert {why: Decimal(amount) for why, amount in spend["unattributed"].items()} == {
        "missing": each[4] + each[5],
        "stale": each[6],
        "invalid": each[7],
        "conflict": each[8],
    }
    assert Decimal(spend["total"]) == sum(each)
    assert spend["tenant_share"] == str(sum(each[:3]) / sum(each))[:6]
    entries = rows_of(capsys, "entries", "--ledger", str(home))
    assert sum(Decimal(entry["amount"]) for entry in entries) == Decimal(spend["total"])
    shown = call(capsys, "coverage", "--ledger", str(home)).out
    assert "tenant_share, USD" in shown
    assert "stale, USD" in shown


def test_service_that_always_called_and_stopped_is_found(capsys: Capture, tmp_path: Path) -> None:
    first = seconds_of("2026-11-10T10:00:00Z")
    found: list[Observation] = []

    def calls_of(service: str, hours: range) -> None:
        for hour in hours:
            n, at_s = len(found) + 1, first + hour * 3_600
            one = observe(n, trace=n, start_s=at_s, end_s=at_s + 1, response_id=f"r{n}")
            found.append(one._replace(origin=one.origin._replace(service=service)))

    calls_of("always", range(10 * 24))
    calls_of("stopped", range(9 * 24))
    calls_of("at times", range(0, 9 * 24, 12))
    calls_of("new", range(8 * 24, 9 * 24))
    home = home_of(tmp_path, found)
    until = ("--to", "2026-11-20T10:30:00Z", "--ledger", str(home))
    (row,) = rows_of(capsys, "coverage", *until)
    assert row["silent"] == [{"service": "stopped", "last": "2026-11-19T09:00:01Z"}]
    assert "silent, stopped" in call(capsys, "coverage", *until).out
    earlier = ("--to", "2026-11-19T10:30:00Z", "--ledger", str(home))
    (row,) = rows_of(capsys, "coverage", *earlier)
    assert row["silent"] == []


def test_what_is_missing_is_named_by_process(capsys: Capture, tmp_path: Path) -> None:
    home = home_of(tmp_path, [observe(1, start_s=1, end_s=2)])
    for first in (2, 12):
        journal = Journal([home / "journal"])
        for n in range(first, first + 5):
            journal.append(to_record(observe(n, trace=n, start_s=n, end_s=n + 1)))
        journal.close()
        segment = segments(home / "journal")[-1]
        lines = segment.read_bytes().splitlines(keepends=True)
        segment.write_bytes(b"".join([*lines[:2], b"x" * 50 + b"\n", *lines[4:]]))
    (row,) = rows_of(capsys, "coverage", "--ledger", str(home))
    (one,) = row["missing"]  # both segments are of this process
    assert (one["gaps"], one["damaged"]) == (row["gaps"], row["damaged"]) == (4, 2)
    assert str(os.getpid()) in one["process"].split()
    assert "missing, " in call(capsys, "coverage", "--ledger", str(home)).out


def test_what_occurred_at_other_times_is_not_read(capsys: Capture, tmp_path: Path) -> None:
    old, new = seconds_of("2026-01-10T10:00:00Z"), seconds_of("2026-11-20T10:00:00Z")
    home = home_of(
        tmp_path,
        [
            observe(1, trace=1, start_s=old, end_s=old + 1),
            observe(2, trace=2, start_s=new, end_s=new + 1),
        ],
    )
    whole = rows_of(capsys, "coverage", "--month", "2026-11", "--ledger", str(home))
    with closing(sqlite3.connect(home / "ledger.sqlite", isolation_level=None)) as db:
        db.execute("UPDATE entry SET body = x'00' WHERE seq = 1")
    assert rows_of(capsys, "coverage", "--month", "2026-11", "--ledger", str(home)) == whole
    assert whole[0]["shipped"] == 1
    damaged = call(capsys, "coverage", "--month", "2026-01", "--ledger", str(home))
    assert damaged.code == 2
    assert "row 1 of the table entry" in damaged.err
