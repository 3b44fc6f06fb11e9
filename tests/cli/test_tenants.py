"""`tenants`: a dated table that people and scripts keep, and what reports make of it."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.cli.homes import week
from tests.cli.program import call, rows_of

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return week(tmp_path_factory.mktemp("week"))


@pytest.fixture
def home(calls: Path, tmp_path: Path) -> str:
    """19 calls on 2026-11-20 of acme, t1 to t5 and nobody."""
    return str(shutil.copytree(calls, tmp_path / "home"))


def put(capsys: Capture, home: str, *arguments: str) -> None:
    done = call(capsys, "tenants", "set", *arguments, "--ledger", home)
    assert done.code == 0, done.err


def test_export_says_what_every_id_means_and_when(capsys: Capture, home: str) -> None:
    put(capsys, home, "t1", "--from", "2026-01-01", "--name", "One", "--alias", "org-7")
    put(capsys, home, "t2", "--from", "2026-11-20T12:00:00Z", "--name", "Two", "--parent", "t1")
    put(capsys, home, "t1", "--from", "2026-11-21", "--name", "Eins", "--alias", "")
    found = rows_of(capsys, "tenants", "export", "--ledger", home)
    assert [(one["id"], one["from"], one["to"]) for one in found] == [
        ("org-7", "2026-01-01T00:00:00Z", "2026-11-21T00:00:00Z"),
        ("t1", "2026-01-01T00:00:00Z", "2026-11-21T00:00:00Z"),
        ("t1", "2026-11-21T00:00:00Z", None),
        ("t2", "2026-11-20T12:00:00Z", None),
    ]
    assert [(one["tenant"], one["top"], one["name"]) for one in found] == [
        ("t1", "t1", "One"),
        ("t1", "t1", "One"),
        ("t1", "t1", "Eins"),
        ("t2", "t1", "Two"),
    ]


def test_set_list_show(capsys: Capture, home: str) -> None:
    more = ("--plan", "pro", "--owner", "growth", "--revenue", "1200.00 EUR", "--alias", "org-7")
    put(capsys, home, "t1", "--from", "2026-01-01", "--tz", "Europe/Berlin", "--name", "One", *more)
    put(capsys, home, "t1", "--from", "2026-11-21", "--name", "Eins", "--plan", "")
    first, second = rows_of(capsys, "tenants", "show", "t1", "--ledger", home)
    assert (first["from"], first["name"], first["plan"]) == ("2025-12-31T23:00:00Z", "One", "pro")
    assert (first["revenue"], first["revenue_currency"]) == ("1200", "EUR")
    assert second == {
        **first,
        "from": "2026-11-21T00:00:00Z",
        "name": "Eins",
        "plan": None,
        "current": True,
    }
    listed = {row["tenant"]: row for row in rows_of(capsys, "tenants", "list", "--ledger", home)}
    assert listed.keys() == {"t1", "t2", "t3", "t4", "t5", "acme"}, "unknown ids are listed"
    assert (listed["t1"]["name"], listed["t1"]["state"], listed["t1"]["registered"]) == (
        "Eins",
        "current",
        True,
    )
    assert (listed["t1"]["calls"], listed["t1"]["spend"]) == (1, {"USD": "0.0035"})
    assert (listed["t5"]["state"], listed["t5"]["spend"]) == ("unknown", {"USD": "0.0175"})
    then = rows_of(capsys, "tenants", "list", "--as-of", "2026-11-20", "--ledger", home)
    assert then[0]["name"] == "One"


def test_a_rename_holds_from_its_day_unless_asked_otherwise(capsys: Capture, home: str) -> None:
    put(capsys, home, "t1", "--from", "2026-01-01", "--name", "One")
    put(capsys, home, "t1", "--from", "2026-11-21", "--name", "Eins")
    for options, name in (
        ((), "One"),
        (("--as-of", "2026-11-22"), "Eins"),
        (("--as-of", "now"), "Eins"),
    ):
        for command in (("report", "--by", "name"), ("charges", "--tenant", "t1")):
            rows = rows_of(capsys, *command, *options, "--ledger", home)
            assert name in {row["name"] for row in rows}


def test_totals_by_anything_joined_are_the_same(capsys: Capture, home: str) -> None:
    put(capsys, home, "t1", "--from", "2026-01-01", "--name", "One", "--parent", "t2")
    put(capsys, home, "t2", "--from", "2026-01-01", "--name", "Two", "--alias", "t3")
    put(capsys, home, "t4", "--from", "2026-11-20T10:15:00Z", "--merged-into", "t2")
    expected = sum(_total(row) for row in rows_of(capsys, "report", "--ledger", home))
    for by in ("name", "parent", "tenant", "tier,contract", "tenant_plan", "owner,region,hour"):
        rows = rows_of(capsys, "report", "--by", by, "--ledger", home)
        assert (sum(_total(row) for row in rows), sum(row["calls"] for row in rows)) == (
            expected,
            19,
        )
    rows = rows_of(capsys, "charges", "--ledger", home)
    assert sum(Decimal(row["amount"]) for row in rows) == expected
    (two,) = [r for r in rows_of(capsys, "report", "--tenant", "t2", "--ledger", home)]
    charged = rows_of(capsys, "charges", "--tenant", "t2", "--ledger", home)
    assert {row["tenant"] for row in charged} == {"t2"}
    assert {row["booked_tenant"] for row in charged} >= {"t2", "t3"}
    assert sum(Decimal(row["total"]) for row in charged) == Decimal(two["total"])
    entries = rows_of(capsys, "entries", "--tenant", "t2", "--ledger", home)
    assert sum(Decimal(row["amount"]) for row in entries) == Decimal(two["total"])
    shown = call(capsys, "charges", "--csv", "--ledger", home).out
    assert {row["parent"] for row in csv.DictReader(io.StringIO(shown))} >= {"t2", "t5", ""}
    (top,) = rows_of(
        capsys, "top", "--by", "parent", "--tenant", "t1", "--minutes", "60000000", "--ledger", home
    )
    assert top["parent"] == "t2"


def _total(row: dict[str, str | None]) -> Decimal:
    return Decimal(row["at_least"] or 0)


def test_unknown_ids_are_named_below_a_table(capsys: Capture, home: str) -> None:
    put(capsys, home, "t1", "--from", "2026-01-01", "--name", "One")
    done = call(capsys, "report", "--by", "name", "--ledger", home)
    assert "in no row of the registry at the time of some calls: acme, t2, t3, t4, t5" in done.err
    assert "registry" not in call(capsys, "report", "--by", "tenant", "--ledger", home).err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("t1",), "a tenant's row without 'from'"),
        (("--from", "2026-01-01"), "a tenant's row without 'tenant'"),
        (("t 1", "--from", "2026-01-01"), "tenant is 't 1', which is no tenant id"),
        (("t1", "--from", "soon"), "from is 'soon', which is no instant; write an instant"),
        (("t1", "--from", "2026-01-01", "--tz", "Mars"), "no such time zone: 'Mars'"),
        (("t1", "--from", "2026-01-02", "--to", "2026-01-01"), "an end that is after"),
        (("t1", "--from", "2026-01-01", "--revenue", "12,50 EUR"), "revenue is '12,50 EUR'"),
        (("t2", "--from", "2026-01-01", "--alias", "t1"), "'t1' has two meanings at one time"),
        (("t1", "--from", "2026-01-01", "--name", "Uno"), "two meanings at one time"),
        (
            ("t2", "--from", "2026-01-01", "--merged-into", "t9"),
            "merged into 't9', which has no row",
        ),
        (("t1", "--file", "rows.csv"), "--file has the rows"),
    ],
)
def test_what_is_refused_changes_nothing(
    capsys: Capture, home: str, arguments: tuple[str, ...], says: str
) -> None:
    put(capsys, home, "t1", "--from", "2026-01-01", "--name", "One")
    before = (Path(home) / "tenants.toml").read_text()
    done = call(capsys, "tenants", "set", *arguments, "--ledger", home)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert says in done.err
    assert (Path(home) / "tenants.toml").read_text() == before


def test_a_broken_registry_is_one_line_and_no_report(capsys: Capture, home: str) -> None:
    path = Path(home) / "tenants.toml"
    path.write_text('[[tenant]]\ntenant = "a"\nfrom = 2026-01-01\n')
    for command in ("report", "top", "charges", "unpriced", "entries"):
        done = call(capsys, command, "--ledger", home)
        assert (done.code, done.out) == (2, "")
        assert f"{path}:1: from is '2026-01-01', a date without a zone" in done.err
    assert call(capsys, "tenants", "list", "--ledger", home).code == 2


def test_a_persons_own_lines_stay_and_a_repeated_row_is_none(capsys: Capture, home: str) -> None:
    path = Path(home) / "tenants.toml"
    own = '# ours\nzone = "UTC"\n\n[[tenant]] # the first\ntenant = "t1"\nfrom = 2026-01-01\n'
    path.write_text(own)
    for _ in range(2):
        put(capsys, home, "t2", "--from", "2026-01-01", "--name", 'Zwei "GmbH"\x7f')
    assert path.read_text().startswith(own)
    assert path.read_text().count("[[tenant]]") == 2
    (two,) = rows_of(capsys, "tenants", "show", "t2", "--ledger", home)
    assert two["name"] == 'Zwei "GmbH"\x7f'


def test_rows_of_a_file_are_added_all_or_none(capsys: Capture, home: str, tmp_path: Path) -> None:
    rows = tmp_path / "crm.csv"
    rows.write_text("tenant,from,zone,name\nt1,2026-01-01,UTC,One\nt2,2026-01-01,UTC,Two\n")
    put(capsys, home, "--file", str(rows))
    rows.write_text("tenant,from,zone,name\nt3,2026-01-01,UTC,Three\nt2,2026-01-01,UTC,Zwei\n")
    assert call(capsys, "tenants", "set", "--file", str(rows), "--ledger", home).code == 2
    listed = rows_of(capsys, "tenants", "list", "--ledger", home)
    assert [row["tenant"] for row in listed if row["registered"]] == ["t1", "t2"]


def test_rows_are_added_to_a_registry_in_csv(
    capsys: Capture, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "tenants.csv"
    monkeypatch.setenv("OTEL_GENAI_COST_TENANTS", str(listed))
    put(capsys, home, "t1", "--from", "2026-01-01", "--tz", "Europe/Berlin", "--name", "One, Inc.")
    put(
        capsys,
        home,
        "t1",
        "--from",
        "2026-11-01",
        "--tz",
        "Europe/Berlin",
        "--revenue",
        "12.50 EUR",
    )
    assert listed.read_text().splitlines()[1:] == [
        't1,2025-12-31T23:00:00Z,,"One, Inc.",,,,,,,,,,,,,,',
        't1,2026-10-31T23:00:00Z,,"One, Inc.",,,,,,,,12.5 EUR,,,,,,',
    ]
    own = "name,tenant,zone,from,aliases\r\nZwei,t2,UTC,2026-01-01,org-7 org-8\r\n"
    listed.write_bytes(own.encode())
    for _ in range(2):
        put(capsys, home, "t2", "--from", "2026-11-20T12:00:00+01:00", "--name", "Two")
    text = listed.read_bytes().decode()
    assert text == own + "Two,t2,,2026-11-20T11:00:00Z,org-7 org-8\r\n"
    put(capsys, home, "t3", "--from", "2026-01-01")
    done = call(
        capsys, "tenants", "set", "t3", "--from", "2026-02-01", "--plan", "pro", "--ledger", home
    )
    assert (done.code, "the registry has no column plan" in done.err) == (2, True)
    shown = rows_of(capsys, "tenants", "show", "t2", "--ledger", home)
    assert [(row["name"], row["from"]) for row in shown] == [
        ("Zwei", "2026-01-01T00:00:00Z"),
        ("Two", "2026-11-20T11:00:00Z"),
    ]


def test_receipts_and_the_page_show_names_and_data_shows_ids(
    capsys: Capture, home: str, tmp_path: Path
) -> None:
    charges = rows_of(capsys, "charges", "--ledger", home)
    put(capsys, home, "t1", "--from", "2026-01-01", "--name", "One & Sons")
    put(capsys, home, "t1", "--from", "2026-11-21", "--name", "Renamed since")
    put(capsys, home, "t2", "--from", "2026-01-01", "--merged-into", "t1")
    for booked, who in (("t1", "t1, One & Sons"), ("t2", "t2, t1, One & Sons"), ("t3", "t3")):
        charge = next(row["charge_id"] for row in charges if row["tenant"] == booked)
        receipt = call(capsys, "explain", charge, "--ledger", home)
        assert f"{who}   (from " in receipt.out
        (record,) = rows_of(capsys, "explain", charge, "--ledger", home)
        assert "One" not in json.dumps(record)
    page = tmp_path / "page.html"
    assert call(capsys, "report", "--html", str(page), "--ledger", home).code == 0
    html = page.read_text()
    assert '<span class="name">t1, One &amp; Sons</span>' in html
    assert '<span class="name">t3</span>' in html
    assert "· t2, t1, One &amp; Sons ·" in html
    assert "Renamed since" not in html
    (Path(home) / "tenants.toml").write_text("[[tenant]]\n")
    broken = call(capsys, "explain", charge, "--ledger", home)
    assert (broken.code, "t3   (from " in broken.out) == (0, True)
    assert "tenants are shown by their ids: " in broken.err


def _add(home: str, n: int) -> None:
    from otel_genai_cost.cli import _run  # pyright: ignore[reportPrivateUsage]

    _run(["tenants", "set", f"n{n}", "--from", "2026-01-01", "--ledger", home])


def test_rows_added_at_once_are_all_there(capsys: Capture, home: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    started = [spawn.Process(target=_add, args=(home, n)) for n in range(4)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    listed = rows_of(capsys, "tenants", "list", "--ledger", home)
    assert [row["tenant"] for row in listed if row["registered"]] == ["n0", "n1", "n2", "n3"]


def _text_column(name: str) -> str:
    return f'"{name}" TEXT'


def test_a_registry_that_is_a_query(
    capsys: Capture, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = tmp_path / "customers.csv"
    export.write_text("id,since,label\nt1,2026-01-01,One\nt2,2026-01-01,Two\n")
    query = tmp_path / "tenants.sql"
    query.write_text(
        "SELECT id AS tenant, since::DATE AS \"from\", 'UTC' AS zone, label AS name "
        f"FROM read_csv('{export}', all_varchar = true)"
    )
    monkeypatch.setenv("OTEL_GENAI_COST_TENANTS", str(query))
    found = {
        r["name"]: r["calls"] for r in rows_of(capsys, "report", "--by", "name", "--ledger", home)
    }
    assert found == {"One": 1, "Two": 2, None: 16}
    new = ("--from", "2026-03-01", "--name", "One's", "--alias", "org-7", "--revenue", "9 EUR")
    done = call(capsys, "tenants", "set", "t1", *new, "--ledger", home)
    assert (done.code, "nothing was added: the registry is what" in done.err) == (1, True)
    with duckdb.connect() as database:
        columns = ("tenant", "from", "name", "aliases", "revenue")
        database.execute(f"CREATE TABLE tenants ({', '.join(map(_text_column, columns))})")
        database.execute(done.out)
        found_row = database.execute("FROM tenants").fetchone()
    assert found_row == ("t1", "2026-03-01T00:00:00Z", "One's", "org-7", "9 EUR")
    twice = call(capsys, "tenants", "set", "t1", "--from", "2026-01-01", "--ledger", home)
    assert (twice.code, twice.out) == (2, ""), "rows that contradict each other"
    query.write_text("SELECT 1 AS tenant")
    assert call(capsys, "report", "--ledger", home).code == 2
    monkeypatch.setenv("OTEL_GENAI_COST_TENANTS", str(tmp_path / "none.sql"))
    assert "cannot read the tenants' query" in call(capsys, "report", "--ledger", home).err


def test_addresses_are_warned_about(capsys: Capture, home: str) -> None:
    put(capsys, home, "t1", "--from", "2026-01-01", "--alias", "bob@acme.com", "--name", "One")
    put(capsys, home, "t2", "--from", "2026-01-01", "--name", "One")
    one, two, *_ = rows_of(capsys, "tenants", "list", "--ledger", home)
    assert "bob@acme.com looks like an e-mail address" in one["warnings"][0]
    assert two["warnings"] == ["t1 has the same name: reports by name add them up"]
    found = {row["name"]: row for row in map(json.loads, _doctor(capsys, home))}
    assert found["tenants' registry"]["state"] == "warning"
    assert "that are in no row: 4" in found["tenants' registry"]["found"]
    assert found["tenants' ids"]["found"] == "e-mail addresses: bob@acme.com"


def _doctor(capsys: Capture, home: str) -> list[str]:
    return call(capsys, "doctor", "--json", "--ledger", home).out.splitlines()


def test_doctor_says_that_a_registry_is_broken(capsys: Capture, home: str) -> None:
    (Path(home) / "tenants.toml").write_text("[[tenant]]\n")
    found = {row["name"]: row for row in map(json.loads, _doctor(capsys, home))}
    assert (
        found["tenants' registry"]["state"],
        "tenants.toml:1" in found["tenants' registry"]["remedy"],
    ) == (
        "failure",
        True,
    )


def test_who_is_unknown_is_told_what_to_do(capsys: Capture, tmp_path: Path) -> None:
    done = call(capsys, "tenants", "show", "x", "--ledger", str(tmp_path))
    assert done.code == 2
    assert "no row of the tenants' registry has this id: 'x'" in done.err
    done = call(capsys, "tenants", "list", "--ledger", str(tmp_path))
    assert (done.code, done.out) == (0, "")
    assert "add one with `genai-cost tenants set" in done.err
    assert list(tmp_path.iterdir()) == []


def test_how_a_tenant_is_billed_is_set_from_a_day_on(capsys: Capture, home: str) -> None:
    terms = ("--contract-type", "usage", "--time-zone", "Europe/Berlin", "--currency", "EUR")
    ids = ("--billing-id", "stripe=cus_1", "--billing-id", "orb=one", "--email", "a@b.example")
    put(capsys, home, "t1", "--from", "2026-01-01", *terms, *ids)
    put(capsys, home, "t1", "--from", "2026-06-01", "--currency", "USD", "--billing-id", "")
    first, second = rows_of(capsys, "tenants", "show", "t1", "--ledger", home)
    assert first["billing_ids"] == {"stripe": "cus_1", "orb": "one"}
    assert (first["contract_type"], first["time_zone"], first["email"]) == (
        *("usage", "Europe/Berlin"),
        "a@b.example",
    )
    assert (first["currency"], second["currency"], second["billing_ids"]) == ("EUR", "USD", {})
    assert second["email"] == "a@b.example"
    listed = call(capsys, "tenants", "list", "--csv", "--tenant", "t1", "--ledger", home).out
    (row,) = csv.DictReader(io.StringIO(listed))
    assert (row["currency"], row["time_zone"]) == ("USD", "Europe/Berlin")
