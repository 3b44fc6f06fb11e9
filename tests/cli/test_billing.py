"""`genai-cost billing`: exit codes, what is printed, and what a stranger meets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_genai_cost.billing.opening import billing_lock
from otel_genai_cost.testing.standin.billing import Fault, MetronomeStandIn
from tests.cli.homes import week
from tests.cli.program import call, rows_of

Capture = pytest.CaptureFixture[str]

_FILE = """schema = "otel-genai-cost-billing/1"
[[meter]]
name = "cost"
counts = "price"
[[destination]]
name = "metronome"
vendor = "metronome"
url = "{url}"
key = "env:BILLING_TEST_KEY"
from = 2026-11-01T00:00:00Z
customers = {{t1 = "cus_1", t2 = "cus_2", acme = "cus_0"}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return week(tmp_path_factory.mktemp("week"))


@pytest.fixture
def metronome(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetronomeStandIn]:
    monkeypatch.setenv("BILLING_TEST_KEY", "sk_live_of_a_test")
    for path in home.glob("billing.*"):
        path.unlink()
    with MetronomeStandIn(key="sk_live_of_a_test") as standin:
        (home / "billing.toml").write_text(_FILE.format(url=standin.url))
        yield standin


def test_run_verify_and_status(home: Path, metronome: MetronomeStandIn, capsys: Capture) -> None:
    (done,) = rows_of(capsys, "billing", "run", "--ledger", str(home))
    assert (done["made"], done["accepted"], done["error"]) == (3, 3, "")
    found = call(capsys, "billing", "verify", "--json", "--ledger", str(home))
    assert found.code == 1, "three tenants are nobody's customers"
    assert {(row["tenant"], row["equal"]) for row in found.rows} == {
        *(("t1", True), ("t2", True), ("acme", True)),
        *(("t3", False), ("t4", False), ("t5", False)),
    }
    nobodys = next(row for row in found.rows if row["tenant"] == "t3")
    assert (nobodys["customer"], nobodys["vendor"]) == (None, "0")
    assert nobodys["ledger"] == nobodys["unsent"] == "0.0105"
    listed = rows_of(capsys, "billing", "status", "--ledger", str(home))
    assert {row["state"] for row in listed} == {"unsent"}
    assert {row["tenant"] for row in listed} == {None, "t3", "t4", "t5"}


def test_what_was_not_taken_is_exit_1_and_is_listed(
    home: Path, metronome: MetronomeStandIn, capsys: Capture
) -> None:
    metronome.refuse_customer = "cus_1"
    done = call(capsys, "billing", "run", "--json", "--ledger", str(home))
    assert (done.code, done.rows[0]["rejected"], done.rows[0]["accepted"]) == (1, 1, 2)
    (row,) = [
        row
        for row in rows_of(capsys, "billing", "status", "--ledger", str(home))
        if row["state"] == "rejected"
    ]
    assert (row["customer"], row["quantity"]) == ("cus_1", "0.0035")
    every = rows_of(capsys, "billing", "status", "--ledger", str(home))
    assert {tuple(one) for one in every} == {tuple(row)}, "each has the same keys"
    assert "no customer cus_1" in row["reason"]
    again = call(capsys, "billing", "run", "--json", "--ledger", str(home))
    assert (again.code, again.rows[0]["rejected"]) == (1, 0), "it is not taken yet"
    assert "1 event(s) not taken" in again.err
    metronome.refuse_customer = ""
    assert call(capsys, "billing", "requeue", row["id"][:12], "--ledger", str(home)).code == 0
    assert rows_of(capsys, "billing", "run", "--ledger", str(home))[0]["accepted"] == 1


def test_what_no_event_is_made_of_is_in_the_meters_unit(
    home: Path, metronome: MetronomeStandIn, capsys: Capture
) -> None:
    file = home / "billing.toml"
    file.write_text(
        file.read_text().replace('counts = "price"', 'counts = "price"\nunit = "0.001"')
    )
    call(capsys, "billing", "run", "--ledger", str(home))
    rows = rows_of(capsys, "billing", "status", "--ledger", str(home))
    assert {row["quantity"] for row in rows if row["tenant"] == "t3"} == {"10.5"}
    file.write_text(file.read_text().replace('name = "cost"', 'name = "costs"'))
    rows = rows_of(capsys, "billing", "status", "--ledger", str(home))
    assert {row["quantity"] for row in rows} == {None}, "nobody says in which unit"


def test_no_key_is_ever_shown(home: Path, metronome: MetronomeStandIn, capsys: Capture) -> None:
    metronome.fault = lambda request: Fault(401)
    for command in (("run",), ("status",), ("verify",), ("run", "--json"), ("status", "--json")):
        done = call(capsys, "billing", *command, "--ledger", str(home))
        assert "sk_live" not in done.out + done.err
    for path in home.glob("billing.sqlite*"):
        assert b"sk_live" not in path.read_bytes()


def test_mistakes(
    home: Path, metronome: MetronomeStandIn, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*arguments: str) -> str:
        done = call(capsys, "billing", *arguments, "--ledger", str(home))
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1), done.err
        return done.err

    assert "nothing was sent yet" in said("verify")
    assert "no such destination" in said("run", "--destination", "shoe")
    assert "cannot read" in said("run", "--file", str(home / "none.toml"))
    call(capsys, "billing", "run", "--ledger", str(home))
    assert "no such event" in said("requeue", "ogb-00000000")
    assert "which events" in said("requeue", "ogb")
    with billing_lock(home):
        assert "one is enough" in said("run")
    monkeypatch.delenv("BILLING_TEST_KEY")
    assert "BILLING_TEST_KEY" in said("run")


def test_a_broken_file_says_every_problem(home: Path, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text(_FILE.format(url="ftp://x").replace('"price"', '"shoes"'))
    done = call(capsys, "billing", "run", "--file", str(path), "--ledger", str(home))
    assert (done.code, done.out) == (2, "")
    assert [f"{path}:{line}" in done.err for line in (2, 5)] == [True, True]


def test_a_vendor_that_does_not_answer_is_one_line(
    home: Path, metronome: MetronomeStandIn, capsys: Capture
) -> None:
    call(capsys, "billing", "run", "--ledger", str(home))
    metronome.fault = lambda request: Fault(500)
    done = call(capsys, "billing", "verify", "--ledger", str(home))
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert "Metronome does not say" in done.err


def test_what_a_destination_leaves_behind_is_said(
    home: Path, metronome: MetronomeStandIn, capsys: Capture
) -> None:
    metronome.fault = lambda request: Fault(500)
    call(capsys, "billing", "run", "--ledger", str(home))
    file = home / "billing.toml"
    file.write_text(file.read_text().replace('name = "metronome"', 'name = "other"'))
    done = call(capsys, "billing", "status", "--ledger", str(home))
    assert "metronome is not in the file any more: 3 not sent" in done.err


def test_no_ledger_is_made(capsys: Capture, tmp_path: Path) -> None:
    for command in ("run", "status", "verify"):
        assert call(capsys, "billing", command, "--ledger", str(tmp_path)).code == 2
    assert [*tmp_path.iterdir()] == []


def test_the_events_are_json(home: Path, metronome: MetronomeStandIn, capsys: Capture) -> None:
    metronome.fault = lambda request: Fault(429, retry_after_s=60)
    call(capsys, "billing", "run", "--ledger", str(home))
    rows = rows_of(capsys, "billing", "status", "--ledger", str(home))
    (one,) = [row for row in rows if row["customer"] == "cus_1"]
    assert one["state"] == "waiting"
    assert one["from"] == "2026-11-20T10:00:00Z"
    assert json.loads(json.dumps(one))["properties"] == {"currency": "USD"}
