"""`genai-cost doctor --calls`: where calls without a tenant stand."""

from __future__ import annotations

from pathlib import Path

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.tenancy.attribution import Attribution
from tests.cli.test_cli import rows, run
from tests.ledger.build import observe

_PLACE = "/app/worker.py:12 in consume"


def _stale(n: int, place: str | None = _PLACE) -> Observation:
    one = observe(n, trace=n)
    return one._replace(attribution=Attribution(absent="stale"), call_site=place)


def _home(folder: Path, *observations: Observation) -> str:
    journal = Journal([folder / "journal"])
    for one in observations:
        journal.append(to_record(one))
    journal.close()
    return str(folder)


def test_places_are_counted_with_their_remedy(tmp_path: Path) -> None:
    nobody = observe(4, trace=4)._replace(attribution=Attribution())
    system = observe(5, trace=5)._replace(attribution=Attribution(absent="system"))
    home = _home(tmp_path, _stale(1), _stale(2), _stale(3, "/app/api.py:7 in ask"), nobody, system)
    found = rows("doctor", "--calls", "--json", "--ledger", home)
    assert [(row["absent"], row["call_site"], row["calls"]) for row in found] == [
        ("stale", _PLACE, 2),
        ("missing", None, 1),
        ("stale", "/app/api.py:7 in ask", 1),
    ]
    assert "with detached():" in found[0]["remedy"]
    assert "OTEL_GENAI_COST_TASKS=follow" in found[0]["remedy"]
    done = run("doctor", "--calls", "--ledger", home)
    assert (done.returncode, _PLACE in done.stdout) == (0, True)


def test_calls_with_a_tenant_are_not_listed(tmp_path: Path) -> None:
    home = _home(tmp_path, observe(1))
    assert rows("doctor", "--calls", "--json", "--ledger", home) == []
