"""`genai-cost doctor`: requests that passed no edge turn it red, from the journal and from the ledger."""

from __future__ import annotations

import time
from pathlib import Path

from otel_genai_cost.cli.doctor.check import Found
from otel_genai_cost.cli.doctor.edges import bypassed
from otel_genai_cost.cli.home import Home
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import observe


def _found(folder: Path, *observations: Observation) -> Found:
    journal = Journal([folder / "journal"])
    now_us = time.time_ns() // 1000
    for one in observations:
        journal.append(to_record(one._replace(start_us=now_us - 5, end_us=now_us)))
    journal.close()
    (found,) = bypassed(Home.at(folder))
    return found


def _bypassed(n: int) -> Observation:
    return observe(n, trace=n)._replace(attribution=Attribution(absent="edge_bypassed"))


def test_calls_whose_request_passed_no_edge_are_wrong(tmp_path: Path) -> None:
    found = _found(tmp_path, _bypassed(1), _bypassed(2), observe(3, trace=3))
    assert (found.state, found.seen.split()[0]) == ("failure", "2")
    assert "TenantEdge" in found.remedy
    home = Home.at(tmp_path)
    home.fresh()
    (after,) = bypassed(home)
    assert after.seen == found.seen, "what was shipped is still told, once"


def test_without_any_all_is_well(tmp_path: Path) -> None:
    missing = observe(1)._replace(attribution=Attribution())
    assert _found(tmp_path, missing).state == "ok"
