"""`budgets`: from a file to what is booked, crossed and simulated, and to the same after a ledger is lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.pricing.instants import rfc3339
from tests.cli.program import call, rows_of
from tests.ledger.build import START_US, observe, tenant

Capture = pytest.CaptureFixture[str]

_BUDGETS = """
schema = "otel-genai-cost-budgets/1"

[[budget]]
id = "everybody"
period = "total"
currency = "USD"
soft = 0.01
hard = 0.02

[[budget]]
id = "each"
scope = { tenant = "*" }
period = "total"
currency = "USD"
hard = 0.01
thresholds = [50, 100]
"""


def _journal(home: Path, spans: range) -> None:
    """Calls of acme, every fourth globex's, at 0.0035 USD each, of some minutes ago."""
    ago_s = time.time_ns() // 10**9 - START_US // 10**6 - 600
    journal = Journal([home / "journal"])
    for n in spans:
        who = tenant("acme" if n % 4 else "globex")
        start_s = ago_s + n
        one = observe(n, trace=n, start_s=start_s, end_s=start_s + 1, attribution=who)
        journal.append(to_record(one))
    journal.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    _journal(tmp_path, range(1, 5))
    (tmp_path / "budgets.toml").write_text(_BUDGETS, encoding="utf-8")
    return tmp_path


def _set(capsys: Capture, home: Path, *options: str) -> list[dict[str, Any]]:
    return rows_of(capsys, "budgets", "set", *options, "--ledger", str(home))


def _rows(capsys: Capture, home: Path, command: str, *options: str) -> list[dict[str, Any]]:
    return rows_of(capsys, "budgets", command, *options, "--ledger", str(home))


def test_what_is_booked_and_crossed_is_listed(capsys: Capture, home: Path) -> None:
    file = str(home / "budgets.toml")
    assert [one["version"] for one in _set(capsys, home, "--file", file)] == [1, 1]
    assert _set(capsys, home, "--file", file) == []
    listed = _rows(capsys, home, "list")
    assert listed[-1] == {
        "budget": "everybody",
        "version": 1,
        "scope": "organisation",
        "period": "total",
        "period_from": None,
        "period_to": None,
        "zone": "UTC",
        "side": "cost",
        "currency": "USD",
        "soft": "0.01",
        "hard": "0.02",
        "booked": "0.014",
        "held": "0",
        "committed": "0.014",
        "percent": 70,
        "crossed": [],
        "soft_crossed": True,
        "episode": 1,
        "calls": 4,
        "unpriced": 0,
        "unconverted": {},
        "late_entries": 0,
    }
    each = {one["scope"]: (one["booked"], one["crossed"]) for one in listed[:-1]}
    assert each == {"tenant=acme": ("0.0105", [50, 100]), "tenant=globex": ("0.0035", [])}
    (only,) = _rows(capsys, home, "list", "--tenant", "acme")
    assert (only["budget"], only["scope"]) == ("each", "tenant=acme")
    table = call(capsys, "budgets", "list", "--ledger", str(home))
    assert "50 100" in table.out
    assert call(capsys, "budgets", "list", "--ledger", str(home), "--csv").out.count("\n") == 4


def test_what_was_decided_a_moment_ago_is_as_before(capsys: Capture, home: Path) -> None:
    """Though whoever ships has not read it yet."""
    words = ("--period", "month", "--currency", "USD", "--hard", "5")
    with writer_lock(home):
        done = [
            call(capsys, "budgets", "set", "b", *said, "--ledger", str(home))
            for said in (words, ("--soft", "3"), ("--soft", "3"))
        ]
    assert [one.err.partition(" budget ")[0] for one in done] == ["1 of 1", "1 of 1", "0 of 1"]
    (shown,) = _rows(capsys, home, "show", "b")
    versions = [(one["hard"], one.get("soft")) for one in shown["versions"]]
    assert versions == [("5", None), ("5", "3")]


def test_a_lost_ledger_comes_to_the_same_budgets_and_crossings(capsys: Capture, home: Path) -> None:
    _set(capsys, home, "--file", str(home / "budgets.toml"))
    before = _rows(capsys, home, "list")
    _set(capsys, home, "everybody", "--hard", "0.1", "--soft", "0.05")
    _journal(home, range(5, 13))
    assert _rows(capsys, home, "list") != before
    _set(capsys, home, "each", "--hard", "0.04")
    commands = (("list",), ("history", "each"), ("history", "everybody"), ("show", "each"))
    kept = [_rows(capsys, home, *command) for command in commands]
    crossings = [one["crossings"] for one in kept[1]]
    assert [(one["threshold"], one["direction"], one["episode"]) for one in crossings[0]] == [
        (50, "up", 1),
        (100, "up", 1),
        (100, "down", 1),
    ]
    (home / LEDGER_FILE).unlink()
    (home / "charges.duckdb").unlink()
    assert [_rows(capsys, home, *command) for command in commands] == kept


def test_simulate_says_what_would_have_been_crossed_and_blocked(
    capsys: Capture, home: Path
) -> None:
    file = str(home / "budgets.toml")
    acme, globex, everybody = _rows(capsys, home, "simulate", "--file", file)
    assert (acme["crossed"], acme["blocked_calls"], acme["blocked"]) == ([50, 100], 1, "0.0035")
    assert acme["above"] == "0.0005"
    assert [one["threshold"] for one in acme["crossings"]] == [50, 100]
    assert acme["crossings"][0]["at"] < acme["crossings"][1]["at"] < rfc3339(time.time_ns() // 1000)
    assert (globex["crossed"], globex["blocked_calls"], globex["above"]) == ([], 0, "0")
    assert (everybody["soft_crossed"], everybody["booked"]) == (True, "0.014")
    assert _rows(capsys, home, "list") == []
    none = call(
        capsys, "budgets", "simulate", "--file", file, "--ledger", str(home), "--to", "2026-01-01"
    )
    assert (none.code, none.out) == (0, "")
    assert "no call" in none.err


def test_every_problem_of_a_file_comes_at_once_and_nothing_is_applied(
    capsys: Capture, home: Path
) -> None:
    file = home / "budgets.toml"
    file.write_text(
        _BUDGETS + '\n[[budget]]\nid = "bad"\nperiod = "month"\ncurrency = "QQQ"\nhard = nan\n'
        '[[budget]]\nid = "worse"\nperiod = "month"\ncurrency = "USD"\nhard = -1\nzone = "X"\n'
    )
    done = call(capsys, "budgets", "set", "--file", str(file), "--ledger", str(home))
    assert done.code == 2
    lines = done.err.strip().split(" | ")
    assert [line.partition(": ")[2].partition(";")[0] for line in lines] == [
        "currency is 'QQQ'",
        "hard is 'NaN'",
        "zone is 'X'",
        "hard is '-1'",
    ]
    assert all(line.startswith(f"{file}:") for line in lines)
    assert _rows(capsys, home, "list") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["set"], "no budget"),
        (["set", "x", "--file", "budgets.toml"], "--file has the budgets"),
        (["set", "x", "--hard", "1"], "budget without 'currency'"),
        (["set", "--file", "nowhere.toml"], "cannot read the budgets"),
        (["show", "x"], "no such budget"),
        (["history", "x"], "no such budget"),
        (["list", "--at", "soon"], "--at is no instant"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    capsys: Capture, home: Path, options: list[str], message: str
) -> None:
    done = call(capsys, "budgets", *options, "--ledger", str(home))
    assert done.code == 2
    assert message in done.err.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "schema is None"),
        ('schema = "otel-genai-cost-budgets/2"', "upgrade"),
        ('schema = "otel-genai-cost-budgets/1"', "it has no budget"),
        ('schema = "otel-genai-cost-budgets/1"\nbudgets = 1', "it has budgets"),
        ("schema = [", "not TOML"),
    ],
)
def test_a_file_that_is_none_is_refused(
    capsys: Capture, home: Path, text: str, message: str
) -> None:
    file = home / "other.toml"
    file.write_text(text, encoding="utf-8")
    done = call(capsys, "budgets", "set", "--file", str(file), "--ledger", str(home))
    assert done.code == 2
    assert message in done.err
