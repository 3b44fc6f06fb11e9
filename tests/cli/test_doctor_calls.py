"""`genai-cost doctor --calls`: where calls without a tenant stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.cli.doctor.owners import owners_of
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.tenancy.attribution import Attribution
from tests.cli.command import rows, run
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
    assert {row["team"] for row in found} == {"shop"}, "without owners it is the service"
    assert (found[0]["file"], found[0]["line"]) == ("/app/worker.py", 12)
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


def test_calls_are_listed_by_team(tmp_path: Path) -> None:
    """By the owners of the code in the folder where it is asked, whatever folder the application ran in."""
    root = tmp_path / "checkout"
    for name in ("shop/worker.py", "shop/api/ask.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("", "utf-8")
    (root / "CODEOWNERS").write_text("*  @all\nshop/api/  @api @second\n", "utf-8")
    labelled = _stale(7, "/elsewhere/x.py:1 in f")
    labelled = labelled._replace(attribution=Attribution(absent="stale", labels={"team": "blue"}))
    home = _home(
        tmp_path,
        _stale(1, "/app/shop/worker.py:3 in work"),
        _stale(2, "/srv/shop/api/ask.py:9 in ask"),
        _stale(3, "/srv/shop/api/ask.py:9 in ask"),
        labelled,
    )
    done = rows("doctor", "--calls", "--json", "--ledger", home, cwd=root)
    assert [(row["team"], row["call_site"], row["calls"]) for row in done] == [
        ("@api @second", "/srv/shop/api/ask.py:9 in ask", 2),
        ("@all", "/app/shop/worker.py:3 in work", 1),
        ("blue", "/elsewhere/x.py:1 in f", 1),
    ]


@pytest.mark.parametrize(
    ("rule", "owned"),
    [
        ("*", True),
        ("*.py", True),
        ("worker.py", True),
        ("shop", True),
        ("/shop/", True),
        ("shop/jobs/*", True),
        ("**/jobs/", True),
        ("/shop/**/worker.py", True),
        ("jobs/worker.py", False),
        ("/worker.py", False),
        ("*.js", False),
        ("/shop/*.py", False),
    ],
)
def test_owners_are_read_as_they_are_written(tmp_path: Path, rule: str, owned: bool) -> None:
    path = tmp_path / "shop" / "jobs" / "worker.py"
    path.parent.mkdir(parents=True)
    path.write_text("", "utf-8")
    (tmp_path / ".github").mkdir()
    rules = f"# who owns what\n\n[section]\n{rule} @team # a comment\n"
    (tmp_path / ".github" / "CODEOWNERS").write_text(rules, "utf-8")
    owner = owners_of(tmp_path)
    assert owner("/app/shop/jobs/worker.py") == ("@team" if owned else None)
    assert owner("/app/shop/jobs/other.py") is None, "there is no such file here"


def test_the_last_rule_decides_and_may_name_nobody(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("", "utf-8")
    (tmp_path / "CODEOWNERS").write_text("* @team\na.py\n", "utf-8")
    assert owners_of(tmp_path)("a.py") is None
