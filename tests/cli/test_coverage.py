"""`coverage`: which share of the spend has a tenant's name on it, and why the rest has none."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from otel_genai_cost.tenancy.attribution import Attribution
from tests.cli.homes import home_of
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
