"""`credits`: from a grant to what is left of it, with the calls of a journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant

Capture = pytest.CaptureFixture[str]

_SINCE = ("--from", "2026-11-01T00:00:00Z")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three calls of acme and one of globex, at 0.0035 USD each."""
    journal = Journal([tmp_path / "journal"])
    for n, who in enumerate(("acme", "acme", "acme", "globex"), start=1):
        journal.append(to_record(observe(n, trace=n, start_s=n, attribution=tenant(who))))
    journal.close()
    return tmp_path


def _grant(capsys: Capture, home: Path, *options: str) -> None:
    done = call(capsys, "credits", "grant", *_SINCE, *options, "--ledger", str(home))
    assert done.code == 0, done.err


def test_grant_list_balance(capsys: Capture, home: Path) -> None:
    _grant(capsys, home, "--tenant", "acme", "--amount", "0.01", "--ref", "a", "--priority", "1")
    _grant(capsys, home, "--tenant", "acme", "--amount", "5", "--ref", "b", "--kind", "promo")
    (balance,) = rows_of(capsys, "credits", "balance", "--ledger", str(home))
    assert balance == {
        "tenant": "acme",
        "currency": "USD",
        "granted": "5.01",
        "burnt": "0.0105",
        "expired": "0",
        "held": "0",
        "available": "4.9995",
        "overdraft": "0",
        "upcoming": "0",
        "expiring": None,
        "unpriced": 0,
        "outside": [],
        "as_of_seq": 4,
    }
    listed = rows_of(capsys, "credits", "list", "--tenant", "acme", "--ledger", str(home))
    assert [(one["ref"], one["burnt"], one["left"], one["state"]) for one in listed] == [
        ("a", "0.01", "0", "spent"),
        ("b", "0.0005", "4.9995", "active"),
    ]
    table = call(capsys, "credits", "balance", "--ledger", str(home))
    assert "4.9995" in table.out


def test_a_lost_ledger_comes_to_the_same(capsys: Capture, home: Path) -> None:
    _grant(capsys, home, "--tenant", "acme", "--amount", "0.005", "--ref", "a")
    mark = ("credits", "mark", "--tenant", "acme", "--below", "0.002", "--ledger", str(home))
    assert call(capsys, *mark).code == 0
    _grant(capsys, home, "--tenant", "acme", "--amount", "0.004", "--ref", "top-up")
    before = [
        rows_of(capsys, "credits", which, "--ledger", str(home)) for which in ("balance", "list")
    ]
    for file in home.glob("ledger.sqlite*"):
        file.unlink()
    after = [
        rows_of(capsys, "credits", which, "--ledger", str(home)) for which in ("balance", "list")
    ]
    assert after == before
    assert (after[0][0]["available"], after[0][0]["overdraft"]) == ("-0.0015", "0.0015")


def test_a_file_of_grants_is_taken_whole_or_not_at_all(capsys: Capture, home: Path) -> None:
    file = home / "grants.toml"
    text = '[[grant]]\nref = "a"\ntenant = "acme"\ncurrency = "ACU"\namount = 10.5\n'
    more = text.replace('"a"', '"b"') + "expires = 2030-01-01T00:00:00+01:00\n"
    file.write_text(text + more.replace("10.5", "-1"))
    arguments = ("credits", "grant", "--file", str(file), "--ledger", str(home), "--json")
    refused = call(capsys, *arguments)
    assert refused.code == 2
    assert f"{file}:6: amount is '-1'" in refused.err
    assert call(capsys, "credits", "balance", "--ledger", str(home)).out == ""
    file.write_text(text + more)
    granted = [json.loads(line) for line in call(capsys, *arguments).out.splitlines()]
    assert [(one["amount"], one["expires"], one["new"]) for one in granted] == [
        ("10.5", None, True),
        ("10.5", "2029-12-31T23:00:00Z", True),
    ]
    again = [json.loads(line) for line in call(capsys, *arguments).out.splitlines()]
    assert again == [{**one, "new": False} for one in granted]
    mixed = call(capsys, *arguments, "--tenant", "acme")
    assert mixed.code == 2 and "--file has the grants" in mixed.err


def test_what_credit_does_not_pay_is_said(capsys: Capture, home: Path) -> None:
    _grant(capsys, home, "--tenant", "acme", "--amount", "3", "--currency", "ACU")
    found = call(capsys, "credits", "balance", "--ledger", str(home))
    assert "acme: 0.0105 USD of calls are in a currency of which nothing was granted" in found.err


def test_a_ref_used_twice_and_a_mark_that_is_none_are_refused(capsys: Capture, home: Path) -> None:
    _grant(capsys, home, "--tenant", "acme", "--amount", "3", "--ref", "a")
    arguments = ("--tenant", "acme", "--amount", "4", "--ref", "a", "--ledger", str(home))
    assert "ref 'a' was used for another grant" in call(capsys, "credits", "grant", *arguments).err
    bad = ("--tenant", "a b", "--currency", "XQX", "--below", "-1", "--ledger", str(home))
    found = call(capsys, "credits", "mark", *bad)
    assert found.code == 2
    assert [what in found.err for what in ("tenant is", "currency is", "below is")] == [True] * 3
