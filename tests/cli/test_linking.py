"""`genai-cost ledger suspects` and `unlink`."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from tests.cli.command import rows, run
from tests.ledger.build import observe


def _home(folder: Path, *observations: Observation) -> str:
    journal = Journal([folder / "journal"])
    for one in observations:
        journal.append(to_record(one))
    journal.close()
    return str(folder)


def test_suspects_are_listed(tmp_path: Path) -> None:
    gateway = observe(2, trace=2, end_s=2, scope="gateway", process="p2")
    home = _home(tmp_path, observe(1), gateway)
    (row,) = rows("ledger", "suspects", "--json", "--ledger", home)
    assert row["why"] == "two_processes"
    assert [row[side]["observation_id"] for side in ("first", "second")] == [
        observe(1).id,
        gateway.id,
    ]
    done = run("ledger", "suspects", "--ledger", home)
    assert "two_processes" in done.stdout
    assert "two processes" in done.stderr


def test_unlink_undoes_a_join_with_entries(tmp_path: Path) -> None:
    inner, outer = observe(2, above=(1,), end_s=2), observe(1, end_s=3, scope="framework")
    home = _home(tmp_path, inner, outer)
    (row,) = rows("report", "--json", "--ledger", home)
    assert row["calls"] == 1
    (entry,) = rows("ledger", "unlink", outer.span_id, "--json", "--ledger", home)
    assert (entry["charge_id"], entry["cause"], entry["calls"]) == (outer.id, "unlinked", 1)
    (row,) = rows("report", "--json", "--ledger", home)
    assert (row["calls"], row["total"]) == (2, "0.007")
    assert rows("ledger", "unlink", outer.id, "--json", "--ledger", home) == []


@pytest.mark.parametrize("asked", ["12345678", "nonsense", "0000000000000000"])
def test_unknown_observation_is_refused(asked: str, tmp_path: Path) -> None:
    done = run("ledger", "unlink", asked, "--ledger", _home(tmp_path, observe(1)))
    assert done.returncode == 2
    assert "no such observation" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ambiguous_id_is_refused(tmp_path: Path) -> None:
    home = _home(tmp_path, observe(1), observe(1, trace=2, start_s=900, end_s=901))
    done = run("ledger", "unlink", observe(1).span_id, "--ledger", home)
    assert "2 observations have this id" in done.stderr
