"""`statements`: from the command line, over a real ledger, as people and schedulers run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.homes import home_of, seconds_of
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant
from tests.statements.ledgers import book, entry

Capture = pytest.CaptureFixture[str]

_KEYS = (
    *("tenant", "period_from", "period_to", "zone", "revision", "seq_from", "seq_to", "currency"),
    *("cost", "price", "lines", "total", "unpriced", "gaps", "digest"),
)


@pytest.fixture
def home(tmp_path: Path) -> str:
    """A call of acme, one of globex and one of nobody, in the last hour of October in UTC."""
    at_s = seconds_of("2026-10-31T23:30:00Z")
    return str(
        home_of(
            tmp_path / "home",
            [
                observe(
                    n,
                    trace=n,
                    start_s=at_s,
                    end_s=at_s + 1,
                    attribution=tenant(who, feature="chat"),
                )
                for n, who in enumerate(("acme", "globex", None), start=1)
            ],
        )
    )


def test_run_states_and_a_rerun_prints_the_same(capsys: Capture, home: str) -> None:
    arguments = ("statements", "run", "--period", "2026-10", "--ledger", home, "--json")
    first, again = call(capsys, *arguments), call(capsys, *arguments)
    assert (first.code, first.err) == (0, "")
    assert first.out == again.out
    assert [row["tenant"] for row in first.rows] == ["acme", "globex", None]
    for row in first.rows:
        assert tuple(row)[: len(_KEYS)] == _KEYS
        assert (row["price"], row["total"], row["state"]) == ("0.0035", "0.00", "stated")
        assert sum(Decimal(line["amount"]) for line in row["lines"]) == Decimal(row["total"])
    entries = rows_of(capsys, "entries", "--ledger", home)
    assert sum(Decimal(row["price"]) for row in first.rows) == sum(
        Decimal(row["price"]) for row in entries
    )


def test_a_tenants_zone_decides_in_which_month_a_call_is(capsys: Capture, home: str) -> None:
    zone = ("--time-zone", "Europe/Berlin")
    call(capsys, "tenants", "set", "acme", "--from", "2026-01-01", *zone, "--ledger", home)
    october = rows_of(capsys, "statements", "run", "--period", "2026-10", "--ledger", home)
    assert [row["tenant"] for row in october] == ["globex", None]
    done = call(
        capsys, "statements", "run", "--period", "2026-11", "--grace", "9999w", "--ledger", home
    )
    assert "acme" in done.out
    assert "preliminary" in done.err
    assert not rows_of(capsys, "statements", "list", "--period", "2026-11", "--ledger", home)


def test_late_calls_are_listed_shown_and_compared(capsys: Capture, home: str) -> None:
    run = ("statements", "run", "--period", "2026-10", "--tenant", "acme", "--ledger", home)
    rows_of(capsys, *run)
    book(Path(home), [entry(77, "acme", "2026-10-20T10:00:00Z", "2.5")])
    of = ("--period", "2026-10", "--tenant", "acme", "--ledger", home)
    (change,) = rows_of(capsys, "statements", "diff", *of)
    assert (change["product"], change["from_revision"], change["to_revision"]) == (
        *("openai/gpt-4o input", 1),
        2,
    )
    assert change["difference"]["amount"] == "2.50"
    assert len(rows_of(capsys, "statements", "list", *of)) == 1, "diff keeps nothing"
    one, two = rows_of(capsys, *run)
    assert (two["revision"], two["price"], two["previous"]) == (2, "2.5", one["digest"])
    assert not rows_of(capsys, "statements", "diff", *of)
    assert rows_of(capsys, "statements", "diff", *of, "--to-revision", "2") == [change]
    listed = rows_of(capsys, "statements", "list", *of)
    assert [{**row, "stated_at": None} for row in listed] == [
        {**row, "stated_at": None} for row in (one, two)
    ]
    shown = rows_of(capsys, "statements", "show", two["digest"][:8], "--ledger", home)
    assert shown == [listed[1]]
    text = call(capsys, "statements", "show", "acme", "--revision", "2", "--ledger", home).out
    assert "openai/gpt-4o input" in text
    assert "2.50" in text


def test_what_is_nobodys_is_borne_by_a_rule_that_is_printed(capsys: Capture, home: str) -> None:
    run = ("statements", "run", "--period", "2026-10", "--ledger", home)
    acme, globex, nobodys = rows_of(capsys, *run, "--spread", "calls")
    assert [row["price"] for row in (acme, globex, nobodys)] == ["0.00525", "0.00525", "0"]
    assert acme["spread"] == {"rule": "calls", "weight": 1, "of": 2, "share": "0.5"}
    assert nobodys["spread"]["share"] == "0"
    said = call(capsys, *run)
    assert "what is nobody's is spread over tenants by calls" in said.err
    shown = call(capsys, "statements", "show", "acme", "--ledger", home).out
    assert "Unattributed use, spread by calls" in shown
    assert "spread over tenants by calls: this statement bears 0.5" in shown
    assert not rows_of(capsys, "statements", "diff", "--period", "2026-10", "--ledger", home)
    taken_back = ("statements", "diff", "--period", "2026-10", "--spread", "none", "--ledger", home)
    changes = [row for row in rows_of(capsys, *taken_back) if row["unit"] == "spread"]
    assert [row["difference"]["exact"] for row in changes] == ["-0.00175", "-0.00175", "0.0035"]
    once = ("statements", "follow", "--once", "--grace", "0d", "--spread", "cost", "--ledger", home)
    assert not rows_of(capsys, *once), "a schedule leaves what was stated by another rule"


@pytest.mark.parametrize("more", [("--spread", "weight"), ("--spread", "cost", "--tenant", "acme")])
def test_a_rule_that_is_none_or_not_for_all_is_refused(
    capsys: Capture, home: str, more: tuple[str, ...]
) -> None:
    done = call(capsys, "statements", "run", "--period", "2026-10", "--ledger", home, *more)
    assert (done.code, done.out) == (2, "")
    assert "--spread" in done.err


def test_unpriced_calls_are_on_its_face_and_it_is_not_closed(capsys: Capture, home: str) -> None:
    unknown = entry(
        78, "acme", "2026-10-20T10:00:00Z", lines=(), unpriced=1, reason="unknown_model"
    )
    book(Path(home), [unknown])
    run = ("statements", "run", "--period", "2026-10", "--tenant", "acme", "--ledger", home)
    done = call(capsys, *run, "--json")
    assert (done.code, done.rows[0]["unpriced"], done.rows[0]["state"]) == (0, 1, "blocked")
    assert "--with-unpriced" in done.err
    (one,) = rows_of(capsys, *run, "--with-unpriced")
    assert (one["state"], one["accepted"]) == ("stated", ["unpriced"])
    assert call(capsys, *run).err == ""


def test_a_proven_gap_in_the_journal_blocks_its_period_alone(
    capsys: Capture, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    days = ("2026-10-05T10:00:00Z", "2026-10-06T10:00:00Z", "2026-10-07T10:00:00Z")
    found = [
        observe(n, trace=n, start_s=seconds_of(at), end_s=seconds_of(at) + 1)
        for n, at in enumerate(days, start=1)
    ]
    home_of(home, found)
    (segment,) = (home / "journal").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(one for one in lines if b'"seq":2' not in one))
    (home / "ledger.sqlite").unlink()
    run = ("statements", "run", "--ledger", str(home), "--json", "--period")
    done = call(capsys, *run, "2026-10")
    assert (done.rows[0]["gaps"], done.rows[0]["state"]) == (1, "blocked")
    assert "1 journal record(s) are missing" in done.err
    for day in ("2026-10-05", "2026-10-07"):
        assert call(capsys, *run, day).rows[0]["gaps"] == 1
    later = [entry(9, "acme", "2026-09-20T10:00:00Z"), entry(10, "acme", "2026-11-20T10:00:00Z")]
    book(home, later)
    for month in ("2026-09", "2026-11"):
        assert call(capsys, *run, month, "--grace", "0d").rows[0]["gaps"] == 0
    (closed,) = call(capsys, *run, "2026-10", "--with-gaps").rows
    assert (closed["state"], closed["accepted"], closed["gaps"]) == ("stated", ["gaps"], 1)


def test_follow_states_missed_periods_once_and_late_ones_again(capsys: Capture, home: str) -> None:
    book(Path(home), [entry(5, "acme", f"2026-0{month}-10T00:00:00Z") for month in (3, 7)])
    follow = ("statements", "follow", "--once", "--ledger", home)
    first = rows_of(capsys, *follow)
    assert sorted((row["tenant"] or "", row["period"]) for row in first) == [
        *(("", "2026-10"), ("acme", "2026-03"), ("acme", "2026-07"), ("acme", "2026-10")),
        ("globex", "2026-10"),
    ]
    assert not rows_of(capsys, *follow)
    book(Path(home), [entry(6, "acme", "2026-07-31T00:00:00Z", "4")])
    (late,) = rows_of(capsys, *follow)
    assert (late["period"], late["revision"], late["price"]) == ("2026-07", 2, "4")
    assert not rows_of(capsys, *follow)


def test_a_signal_ends_follow_at_once(home: str) -> None:
    command = [
        *(sys.executable, "-c", "from otel_genai_cost.cli import main; main()"),
        *("statements", "follow"),
        *("--ledger", home, "--json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        stated = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert {row["tenant"] for row in stated} == {"acme", "globex", None}


def test_an_anchor_leaves_out_what_begins_on_another_day(capsys: Capture, home: str) -> None:
    of = ("--ledger", home)
    for more in (("--anchor", "15"), ("--anchor", "20"), ()):
        rows_of(capsys, "statements", "run", "--period", "2026-10", *more, "--grace", "0d", *of)
        rows_of(capsys, "statements", "run", "--period", "2026-09", *more, "--grace", "0d", *of)
    every = rows_of(capsys, "statements", "list", *of)
    assert {row["anchor"] for row in every} == {1, 15, 20}
    for anchored in (("--anchor", "15"), ("--anchor", "15", "--cadence", "anchored")):
        meant = [row for row in every if row["anchor"] == 15]
        assert rows_of(capsys, "statements", "list", *anchored, *of) == meant
        assert call(capsys, "statements", "export", *anchored, *of).rows == meant
        shown = rows_of(capsys, "statements", "show", "acme", *anchored, *of)
        assert shown == [row for row in meant if row["tenant"] == "acme"]
    assert not rows_of(capsys, "statements", "list", "--anchor", "7", *of)
    for wrong in (("--anchor", "32"), ("--anchor", "15", "--cadence", "weekly")):
        done = call(capsys, "statements", "list", *wrong, *of)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "--anchor" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--period", "2026-13"), "--period"),
        (("--period", "October"), "write 2026-10"),
        (("--period", "2026-W54"), "--period"),
        (("--period", "2026-10", "--cadence", "weekly"), "monthly period"),
        (("--period", "2026-10", "--cadence", "anchored"), "needs the day"),
        (("--period", "2026-10", "--anchor", "32"), "1 to 31"),
        (("--grace", "soon"), "--grace"),
        (("--tz", "Mars/Base"), "no such time zone"),
        (("--by", "colour"), "--by"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    capsys: Capture, home: str, arguments: tuple[str, ...], says: str
) -> None:
    done = call(capsys, "statements", "run", *arguments, "--ledger", home)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert says in done.err


def test_a_zone_with_the_same_midnight_is_no_further_revision(capsys: Capture, home: str) -> None:
    which = ("--period", "2026-11-01", "--ledger", home)
    berlin = rows_of(capsys, "statements", "run", *which, "--tz", "Europe/Berlin", "--grace", "0h")
    paris = rows_of(capsys, "statements", "diff", *which, "--tz", "Europe/Paris")
    lines = {(row["tenant"], line["product"]): line for row in berlin for line in row["lines"]}
    assert paris and {row["state"] for row in berlin} == {"stated"}
    for row in paris:
        stated = lines[row["tenant"], row["product"]]
        assert (row["from_revision"], row["to_revision"]) == (0, 1)
        assert row["after"]["quantity"] == stated["quantity"]


_FLAT_PLAN = (
    'schema = "otel-genai-cost-plans/1"\n[[plan]]\nid = "pro"\nkind = "flat"\ncurrency = "USD"\n'
    'from = 2026-01-01T00:00:00Z\nfee = "99.00"\n'
)


@pytest.mark.parametrize("command", ["run", "diff", "follow"])
def test_plans_in_another_file_are_those_that_hold(
    capsys: Capture, home: str, tmp_path: Path, command: str
) -> None:
    elsewhere = tmp_path / "agreed.toml"
    elsewhere.write_text(_FLAT_PLAN + 'tenants = ["acme"]\n', encoding="utf-8")
    when = ("--once",) if command == "follow" else ("--period", "2026-10")
    given = (*when, "--plans", str(elsewhere), "--ledger", home)
    found = rows_of(capsys, "statements", command, *given)
    charged = {row["after"]["amount"] if command == "diff" else row["total"] for row in found}
    assert "99.00" in charged


def test_a_plan_beside_the_ledger_is_what_is_charged(capsys: Capture, home: str) -> None:
    Path(home, "plans.toml").write_text(_FLAT_PLAN, encoding="utf-8")
    set_plan = ("tenants", "set", "acme", "--from", "2026-01-01", "--plan", "pro")
    assert call(capsys, *set_plan, "--ledger", home).code == 0
    found = rows_of(capsys, "statements", "run", "--period", "2026-10", "--ledger", home)
    assert {row["tenant"]: (row["total"], row["plan"]) for row in found} == {
        "acme": ("99.00", "pro"),
        "globex": ("0.00", None),
        None: ("0.00", None),
    }
    Path(home, "plans.toml").write_text("[[plan]]\nid = 7\n", encoding="utf-8")
    done = call(capsys, "statements", "run", "--period", "2026-10", "--ledger", home)
    assert done.code == 2
    assert "plans.toml" in done.err
