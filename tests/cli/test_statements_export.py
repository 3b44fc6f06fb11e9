"""`statements export`: each form, from a real ledger, to stdout and into files. It adds up, and a rerun is the same."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from otel_genai_cost.cli import _run  # pyright: ignore[reportPrivateUsage] -- what the console script runs
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from tests.cli.command import PROGRAM, rows, run
from tests.cli.program import call, rows_of
from tests.statements.ledgers import book, entry, line

Capture = pytest.CaptureFixture[str]
Rows = list[dict[str, Any]]

FORMATS = ("json", "csv", "focus-csv", "focus-parquet", "html", "pdf")


def _booked(folder: Path) -> str:
    """October of two tenants and of nobody, with a mark-up and a call of two leaves."""
    marked_up = (line("input", 100, "0.30"), line("input", 100, "0.033", side="price"))
    two = (line("input", 1_000, "1.005"), line("output", 10, "2.0000001"))
    usage = {"input": 1_000, "output": 10}
    calls = [
        entry(1, "acme", "2026-10-01T10:00:00Z", "0.30", lines=marked_up),
        entry(2, "acme", "2026-10-25T00:30:00Z", lines=two, usage=usage),
        entry(3, "acme", "2026-10-31T22:59:59Z", "0.004"),
        entry(4, "globex", "2026-10-31T22:59:59Z", "7.777777777777777777"),
        entry(5, None, "2026-10-02T00:00:00Z", "0.1"),
        entry(6, "acme", "2026-10-31T23:30:00Z", "99"),
    ]
    book(folder, calls)
    return str(folder)


@pytest.fixture
def home(tmp_path: Path) -> str:
    """What nobody has stated."""
    return _booked(tmp_path / "home")


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is stated; of acme, which changes its clocks within the month, a second revision. It is only read."""
    folder = tmp_path_factory.mktemp("stated")
    home = _booked(folder)
    zone = ("--time-zone", "Europe/Berlin", "--name", "Acme GmbH")
    run("tenants", "set", "acme", "--from", "2026-01-01", *zone, "--ledger", home)
    rows("statements", "run", "--period", "2026-10", "--ledger", home, "--json")
    book(folder, [entry(7, "acme", "2026-10-20T10:00:00Z", "2.5")])
    rows("statements", "run", "--period", "2026-10", "--ledger", home, "--json")
    return home


def _shown(capsys: Capture, home: str, *which: str) -> Rows:
    return rows_of(capsys, "statements", "show", *which, "--ledger", home)


def _export(capsys: Capture, home: str, *arguments: str) -> str:
    done = call(capsys, "statements", "export", *arguments, "--ledger", home)
    assert (done.code, done.err) == (0, "")
    return done.out


def _focus(capsys: Capture, home: str, *arguments: str) -> list[dict[str, str]]:
    text = _export(capsys, home, "--format", "focus-csv", *arguments)
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("which", [("acme",), ("globex", "--period", "2026-10"), ("unattributed",)])
def test_json_is_what_show_prints(capsys: Capture, stated: str, which: tuple[str, ...]) -> None:
    shown = call(capsys, "statements", "show", *which, "--ledger", stated, "--json").out
    assert shown == _export(capsys, stated, *which, "--format", "json")
    path = Path(stated) / "out.json"
    _export(capsys, stated, *which, "--out", str(path))
    assert path.read_text("utf-8") == shown


def test_csv_adds_up_to_the_totals(capsys: Capture, stated: str) -> None:
    found = list(csv.DictReader(io.StringIO(_export(capsys, stated, "--format", "csv"))))
    sums = defaultdict[str, Decimal](Decimal)
    for row in found:
        sums[row["digest"]] += Decimal(row["amount"])
    every = [
        row for who in ("acme", "globex", "unattributed") for row in _shown(capsys, stated, who)
    ]
    assert sums == {row["digest"]: Decimal(row["total"]) for row in every}


def test_focus_adds_up_to_each_statement_and_line(capsys: Capture, stated: str) -> None:
    sums, lines = defaultdict[str, Decimal](Decimal), defaultdict[tuple[str, str], Decimal](Decimal)
    for row in _focus(capsys, stated):
        sums[row["x_StatementDigest"]] += Decimal(row["BilledCost"])
        lines[row["x_StatementDigest"], row["x_StatementLine"]] += Decimal(row["BilledCost"])
    every = [
        row for who in ("acme", "globex", "unattributed") for row in _shown(capsys, stated, who)
    ]
    assert len(every) == 4
    assert sums == {row["digest"]: Decimal(row["total"]) for row in every}
    assert lines == {
        (row["digest"], str(n)): Decimal(one["amount"])
        for row in every
        for n, one in enumerate(row["lines"], start=1)
    }


def test_focus_has_the_days_of_the_tenants_zone(capsys: Capture, stated: str) -> None:
    rows = _focus(capsys, stated, "acme", "--revision", "1")
    usage = [row for row in rows if row["ChargeCategory"] == "Usage"]
    assert {
        (row["ChargePeriodStart"], row["ChargePeriodEnd"], row["SkuMeter"], row["BilledCost"])
        for row in usage
    } == {
        ("2026-09-30T22:00:00Z", "2026-10-01T22:00:00Z", "Input Tokens", "0.333"),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "Input Tokens", "1.005"),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "Output Tokens", "2.0000001"),
        ("2026-10-30T23:00:00Z", "2026-10-31T23:00:00Z", "Input Tokens", "0.004"),
    }
    assert {row["BillingAccountName"] for row in rows} == {"Acme GmbH"}
    late = _focus(capsys, stated, "acme", "--revision", "2")
    assert [row["ChargeClass"] for row in late] == ["Correction"] * len(late)
    assert [row["BilledCost"] for row in late if row["ConsumedQuantity"]] == ["2.5"]


def test_by_feature_adds_up_as_well(capsys: Capture, home: str) -> None:
    labels: tuple[dict[str, Any], ...] = ({"feature": "chat"}, {"feature": "search"}, {})
    calls = [
        entry(20 + n, "acme", "2026-10-05T00:00:00Z", f"{n}.01", labels=own)
        for n, own in enumerate(labels)
    ]
    book(Path(home), calls)
    run = ("statements", "run", "--period", "2026-10", "--by", "feature", "--ledger", home)
    stated = {row["digest"]: Decimal(row["total"]) for row in rows_of(capsys, *run)}
    rows_of(capsys, *run[:4], "--ledger", home)
    sums = defaultdict[str, Decimal](Decimal)
    for row in _focus(capsys, home, "--by", "feature"):
        sums[row["x_StatementDigest"]] += Decimal(row["BilledCost"])
        if not row["x_StatementDigest"] or row["ChargeCategory"] == "Usage":
            assert row["ConsumedQuantity"]
    assert sums == stated
    assert {row["SubAccountId"] for row in _focus(capsys, home, "acme", "--by", "feature")} == {
        "chat",
        "search",
        "(none)",
    }


@pytest.mark.parametrize("form", FORMATS)
def test_a_rerun_is_the_same_to_the_byte(
    capsys: Capture, stated: str, form: str, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        done = call(
            capsys,
            "statements",
            "export",
            "--format",
            form,
            "--out",
            str(folder),
            "--ledger",
            stated,
        )
        assert (done.code, done.out) == (0, "")
    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders
    )
    assert first == second
    assert len(first) == 4
    assert all(first.values())


def test_parquet_has_what_csv_has(capsys: Capture, stated: str, tmp_path: Path) -> None:
    path = tmp_path / "focus.parquet"
    _export(capsys, stated, "--format", "focus-parquet", "--out", str(path))
    with duckdb.connect() as database:
        found = database.execute(
            "SELECT x_StatementDigest, BilledCost FROM read_parquet(?)", [str(path)]
        ).fetchall()
    rows = _focus(capsys, stated)
    assert found == [(row["x_StatementDigest"], Decimal(row["BilledCost"])) for row in rows]


def test_what_is_printed_is_what_is_written(
    capfdbinary: pytest.CaptureFixture[bytes], stated: str, tmp_path: Path
) -> None:
    """To stdout as bytes: a page, a table and pages of paper."""
    for form in ("html", "focus-parquet", "pdf"):
        command = ["statements", "export", "globex", "--format", form, "--ledger", stated]
        assert _run(command) == 0
        printed = capfdbinary.readouterr().out
        path = tmp_path / f"file.{form}"
        assert _run([*command, "--out", str(path)]) == 0
        assert path.read_bytes() == printed
    by_itself = subprocess.run([PROGRAM, *command], capture_output=True, check=True).stdout
    assert by_itself == printed


def test_the_issuer_of_the_ledgers_folder_is_taken(
    capsys: Capture, stated: str, tmp_path: Path
) -> None:
    stated = str(shutil.copytree(stated, tmp_path / "home"))
    (Path(stated) / "issuer.toml").write_text('name = "Northwind"\nnote = "Thank you."\n', "utf-8")
    page = _export(capsys, stated, "globex", "--format", "html")
    assert "Northwind" in page
    assert "Thank you." in page
    assert {row["InvoiceIssuerName"] for row in _focus(capsys, stated)} == {"Northwind"}
    other = tmp_path / "other.toml"
    other.write_text('name = "Southwind"\n', "utf-8")
    page = _export(capsys, stated, "globex", "--format", "html", "--issuer", str(other))
    assert "Southwind" in page
    assert "Northwind" not in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody",), "no such statement"),
        (("acme", "--format", "pdf"), "2 statements"),
        (("--format", "html"), "--out FOLDER"),
        (("globex", "--format", "html", "--issuer", "none.toml"), "issuer cannot be read"),
        (("globex", "--out", "/proc/none/x.json"), "cannot be written"),
        (("globex", "--out", "/proc/none"), "cannot be written"),
        (("globex", "--period", "soon"), "no period"),
        (("--format", "xml"), "--format"),
        (("--focus", "2.0"), "--focus"),
    ],
)
def test_what_cannot_be_done_is_exit_2_and_one_line(
    capsys: Capture, stated: str, arguments: tuple[str, ...], words: str
) -> None:
    done = call(capsys, "statements", "export", *arguments, "--ledger", stated)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert len(done.err.splitlines()) == 1


def test_every_problem_of_an_issuer_is_told(capsys: Capture, stated: str, tmp_path: Path) -> None:
    issuer = tmp_path / "issuer.toml"
    issuer.write_text('lines = "x"\naccent = "red"\n', "utf-8")
    one = ("statements", "export", "globex", "--format", "csv", "--issuer", str(issuer))
    done = call(capsys, *one, "--ledger", stated)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert all(f"issuer.toml: {what}" in done.err for what in ("issuer without", "lines", "accent"))


def test_a_name_in_the_registry_is_put_on_paper_as_text(capsys: Capture, home: str) -> None:
    name = "=1+1<script>#x\u202e"
    rows = json.dumps(name, ensure_ascii=True)
    (Path(home) / "tenants.toml").write_text(
        f'[[tenant]]\ntenant = "globex"\nfrom = 2026-01-01T00:00:00Z\nname = {rows}\n', "utf-8"
    )
    rows_of(capsys, "statements", "run", "--period", "2026-10", "--ledger", home)
    page = _export(capsys, home, "globex", "--format", "html")
    assert "=1+1&lt;script&gt;#x" in page
    assert "\u202e" not in page
    assert _focus(capsys, home, "globex")[0]["BillingAccountName"] == "'=1+1<script>#x\\u202e"


def test_what_was_stated_of_another_ledger_has_no_days_of_this_one(
    capsys: Capture, home: str
) -> None:
    rows_of(capsys, "statements", "run", "--period", "2026-10", "--ledger", home)
    (before,) = _focus(capsys, home, "globex")[:1]
    (Path(home) / LEDGER_FILE).unlink()
    _booked(Path(home))
    row, *rest = _focus(capsys, home, "globex")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
        "2026-10-01T00:00:00Z",
        "2026-11-01T00:00:00Z",
    )
    assert row["ConsumedQuantity"] == before["ConsumedQuantity"]
    assert sum(Decimal(one["BilledCost"]) for one in (row, *rest)) == Decimal("7.78")


def test_only_what_a_whole_statement_has_is_left_out(capsys: Capture, home: str) -> None:
    october = ("--period", "2026-10", "--ledger", home)
    rows_of(capsys, "statements", "run", *october, "--by", "feature")
    rows_of(capsys, "statements", "run", *october, "--tenant", "acme")
    done = call(capsys, "statements", "export", *october, "--format", "csv")
    amounts = [Decimal(row["amount"]) for row in csv.DictReader(io.StringIO(done.out))]
    assert sum(amounts) == Decimal("110.22"), "those who are stated by feature alone are in it"
    assert done.err.splitlines() == [
        "1 statement(s) that are split are left out: their calls are in the others; pass --by for them"
    ]
    for anchor in ("1", "15"):
        anchored = ("--period", "2026-10", "--anchor", anchor, "--grace", "0d")
        rows_of(capsys, "statements", "run", *anchored, "--tenant", "acme", "--ledger", home)
    both = ("--cadence", "anchored", "--format", "csv", "--ledger", home)
    err = call(capsys, "statements", "export", *both).err
    assert "anchored on 1 and anchored on 15 statements are in it" in err


def test_a_table_does_not_have_the_same_calls_twice(capsys: Capture, home: str) -> None:
    october = ("--period", "2026-10", "--ledger", home)
    for split in ((), ("--by", "feature")):
        rows_of(capsys, "statements", "run", *october, *split)
    export = ("statements", "export", *october, "--format")
    for form, column in (("csv", "amount"), ("focus-csv", "BilledCost")):
        done = call(capsys, *export, form)
        amounts = [Decimal(row[column]) for row in csv.DictReader(io.StringIO(done.out))]
        assert sum(amounts) == Decimal("110.22")
        assert "3 statement(s) that are split are left out" in done.err
    by = call(capsys, *export, "csv", "--by", "feature")
    assert (by.code, by.err) == (0, "")
    assert len(call(capsys, *export, "json").out.splitlines()) == 6
    rows_of(capsys, "statements", "run", "--period", "2026-10-02", "--ledger", home)
    both = call(capsys, "statements", "export", "--ledger", home, "--format", "csv")
    assert "daily and monthly statements are in it" in both.err
