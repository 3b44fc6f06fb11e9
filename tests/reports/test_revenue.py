"""Importing revenue: in any order, twice, cut off, contradicting itself; and what is recognised of it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.errors import FormatTooNewError, LedgerError, RevenueError
from otel_genai_cost.pricing.money import ATTO, readding
from otel_genai_cost.reports.margin.spreading import places, shares
from otel_genai_cost.reports.revenue.row import recognised
from otel_genai_cost.reports.revenue.store import REVENUE_FILE, keep_revenue, revenue_in
from tests.cli.program import Done, call
from tests.reports.margin_home import HEAD

Capture = pytest.CaptureFixture[str]

_ROWS = [
    "acme,2026-10-01,2026-11-01,100.50,USD,flat,a-1,,",
    "acme,2026-10-01T02:00:00+02:00,2026-11-01,20,EUR,seat,a-2,,12",
    "globex,2026-10-05,2026-10-05,500,USD,credit,g-1,,",
    "globex,2026-10-01,2026-11-01,-3.000000000000000001,USD,usage,g-2,search,",
]


def _import(capsys: Capture, home: Path, *texts: str, options: tuple[str, ...] = ()) -> Done:
    home.mkdir(exist_ok=True)
    files: list[str] = []
    for n, text in enumerate(texts):
        path = home / f"in{n}.txt"
        path.write_text(text, encoding="utf-8")
        files.append(str(path))
    return call(capsys, "revenue", "import", *files, *options, "--json", "--ledger", str(home))


def _list(capsys: Capture, home: Path) -> list[dict[str, Any]]:
    done = call(capsys, "revenue", "list", "--json", "--ledger", str(home))
    assert done.code == 0
    return sorted(done.rows, key=lambda row: str(row["ref"]))


def test_order_repetition_and_a_second_import_change_nothing(
    tmp_path: Path, capsys: Capture
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    done = _import(capsys, one, HEAD + "\n".join(_ROWS))
    assert done.rows == [{"added": 4, "known": 0, "problems": 0}]
    again = _import(capsys, one, HEAD + "\n".join([*_ROWS[::-1], *_ROWS, ""]))
    assert again.rows == [{"added": 0, "known": 4, "problems": 0}]
    _import(capsys, other, HEAD + "\n".join(_ROWS[2:]), HEAD + "\r\n".join(_ROWS[::-1]))
    assert _list(capsys, one) == _list(capsys, other)
    assert _list(capsys, one)[1] == {
        "ref": "a-2",
        "tenant": "acme",
        "from": "2026-10-01T00:00:00Z",
        "to": "2026-11-01T00:00:00Z",
        "amount": "20",
        "currency": "EUR",
        "kind": "seat",
        "source": "csv",
        "feature": None,
        "seats": 12,
    }


_BROKEN = """acme,2026-10-01,2026-11-01,1.5,usd,flat,x-1,,
acme,2026-11-01,2026-10-01,1.5,USD,flat,x-2,,
not a tenant,October,2026-11-01,1e400,USD,gift,,,many
acme,2026-10-01,2026-11-01,1,USD,flat,x-3,,
acme,2026-10-01,2026-11-01,2,USD,flat,x-3,,
acme,2026-10-01,2026-11"""


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_kept(
    tmp_path: Path, capsys: Capture
) -> None:
    done = _import(capsys, tmp_path, HEAD + _ROWS[0], HEAD + _BROKEN)
    assert (done.code, done.out) == (2, "")
    said = [line.partition("in1.txt:")[2].split(";")[0] for line in done.err.split(" | ")]
    assert said == [
        "2: currency is 'usd'",
        "3: from 2026-11-01 to 2026-10-01",
        "4: tenant is 'not a tenant'",
        "4: from is 'October'",
        "4: amount is '1e400'",
        "4: kind is 'gift'",
        "4: no ref",
        "4: seats is 'many'",
        f"6: ref 'x-3' stands for something else at {tmp_path / 'in1.txt'}:5",
        "7: 3 cells below a head of 9",
    ]
    assert _list(capsys, tmp_path) == []
    partial = _import(capsys, tmp_path, HEAD + _ROWS[0], HEAD + _BROKEN, options=("--partial",))
    assert (partial.code, partial.rows) == (1, [{"added": 2, "known": 0, "problems": 10}])


@pytest.mark.parametrize(
    "text",
    ["", "tenant,amount\na,1\n", "{}", HEAD + 'a,"unfinished', HEAD.replace("kind", "colour")],
)
def test_what_is_no_table_of_revenue(tmp_path: Path, capsys: Capture, text: str) -> None:
    done = _import(capsys, tmp_path, text)
    assert (done.code, done.out) == (2, "")
    assert "in0.txt" in done.err


def test_a_ref_stays_what_it_was(tmp_path: Path, capsys: Capture) -> None:
    _import(capsys, tmp_path, HEAD + _ROWS[0])
    done = _import(capsys, tmp_path, HEAD + _ROWS[1] + "\n" + _ROWS[0].replace("100.50", "90"))
    assert done.code == 2
    assert f"{tmp_path / 'in0.txt'}:3: ref 'a-1' was imported as something else" in done.err
    assert [row["amount"] for row in _list(capsys, tmp_path)] == ["100.5"], "all or nothing"


def test_what_was_imported_otherwise_is_said_beside_all_else(
    tmp_path: Path, capsys: Capture
) -> None:
    _import(capsys, tmp_path, HEAD + _ROWS[0] + "\n" + _ROWS[2])
    reused = [_ROWS[2].replace("500", "5"), _ROWS[0].replace("100.50", "90"), _ROWS[3], _ROWS[0]]
    texts = HEAD + "\n".join([*reused[:2], _BROKEN.split("\n")[0]]), HEAD + "\n".join(reused[1:])
    done = _import(capsys, tmp_path, *texts)
    said = [line.rpartition("in")[2].split(";")[0] for line in done.err.split(".txt:")[1:]]
    places = [line.partition(": ")[0] for line in done.err.split("/in")[1:]]
    assert (done.code, done.out) == (2, "")
    assert places == ["0.txt:2", "0.txt:3", "0.txt:4", "1.txt:2"], said
    for ref, times in (("g-1", 1), ("a-1", 2)):
        assert done.err.count(f"ref '{ref}' was imported as something else") == times
    partial = _import(capsys, tmp_path, *texts, options=("--partial",))
    assert (partial.code, partial.rows) == (1, [{"added": 1, "known": 1, "problems": 4}])
    assert [row["amount"] for row in _list(capsys, tmp_path)] == [
        *("100.5", "500"),
        "-3.000000000000000001",
    ]


def test_what_another_process_imported_meanwhile_is_nothing_of_ours(
    tmp_path: Path, capsys: Capture
) -> None:
    _import(capsys, tmp_path, HEAD + _ROWS[0])
    (ours,) = revenue_in(tmp_path)
    with pytest.raises(RevenueError, match="'a-1' was imported as something else"):
        keep_revenue(tmp_path, [ours._replace(ref="a-9"), ours._replace(amount=ATTO)], 0)
    assert list(revenue_in(tmp_path)) == [ours]


def test_rows_are_never_changed_nor_deleted(tmp_path: Path, capsys: Capture) -> None:
    _import(capsys, tmp_path, HEAD + _ROWS[0])
    db = sqlite3.connect(tmp_path / REVENUE_FILE)
    for statement in ("UPDATE revenue SET amount = '0'", "DELETE FROM revenue"):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
    db.execute("UPDATE meta SET value = '2'")
    db.commit()
    db.close()
    with pytest.raises(FormatTooNewError):
        revenue_in(tmp_path)
    (tmp_path / REVENUE_FILE).write_bytes(b"no database at all" * 99)
    with pytest.raises(LedgerError):
        revenue_in(tmp_path)
    assert issubclass(RevenueError, ValueError)


def test_an_import_that_is_killed_is_whole_or_not_there(tmp_path: Path, capsys: Capture) -> None:
    """Killed at twelve moments of its way, it left all rows or none, and again it changes nothing twice."""
    rows = [f"t{n},2026-10-01,2026-11-01,{n}.25,USD,flat,r-{n},," for n in range(3_000)]
    (tmp_path / "all.csv").write_text(HEAD + "\n".join(rows), encoding="utf-8")
    program = (
        "import os, sys, threading, time; from pathlib import Path\n"
        "from otel_genai_cost.reports.revenue.files import read_revenue\n"
        "from otel_genai_cost.reports.revenue.store import keep_revenue\n"
        "home, after_s = Path(sys.argv[1]), float(sys.argv[2])\n"
        "found = read_revenue([home / 'all.csv'], 'csv', lambda vendor, name: None)\n"
        "threading.Timer(after_s, lambda: os.kill(os.getpid(), 9)).start()\n"
        "keep_revenue(home, found.rows, 1); print('kept', flush=True); time.sleep(9)\n"
    )
    counts: set[int] = set()
    for n in range(12):
        arguments = [sys.executable, "-c", program, str(tmp_path), str(0.004 * n)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == -9, done.stderr
        counts.add(len(revenue_in(tmp_path)))
        if "kept" in done.stdout:
            assert len(revenue_in(tmp_path)) == 3_000
    assert counts <= {0, 3_000}
    again = call(capsys, "revenue", "import", str(tmp_path / "all.csv"), "--ledger", str(tmp_path))
    assert again.code == 0
    assert sum(row.amount for row in revenue_in(tmp_path)) == sum(
        n * ATTO + ATTO // 4 for n in range(3_000)
    )


# --- vendors ---


def _stripe(**more: Any) -> dict[str, Any]:
    line = {
        "id": "il_1",
        "amount": 12_000,
        "currency": "usd",
        "quantity": 4,
        "period": {"start": 1_790_812_800, "end": 1_793_491_200},
        "price": {"recurring": {"usage_type": "licensed"}},
        "discount_amounts": [{"amount": 2_000}],
        "tax_amounts": [{"amount": 1_000, "inclusive": True}, {"amount": 50, "inclusive": False}],
    }
    metered = {
        "id": "il_2",
        "amount": 700,
        "currency": "jpy",
        "period": {"start": 1_790_812_800, "end": 1_790_812_800},
        "price": {"recurring": {"usage_type": "metered"}},
        "metadata": {"feature": "search"},
    }
    return {
        "id": "in_1",
        "object": "invoice",
        "customer": "cus_1",
        "status": "paid",
        "lines": {"data": [line, metered], "has_more": False},
        **more,
    }


_REGISTRY = (
    'zone = "UTC"\n[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01\n'
    'billing_ids = { stripe = "cus_1", orb = "orb_c", metronome = "m-1" }\n'
)


def _as(vendor: str) -> tuple[str, ...]:
    return ("--format", vendor)


def test_invoices_of_stripe(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "tenants.toml").write_text(_REGISTRY, encoding="utf-8")
    page = {"object": "list", "data": [_stripe()], "has_more": False}
    done = _import(capsys, tmp_path, json.dumps(page), options=_as("stripe"))
    assert done.code == 0, done.err
    seats, usage = _list(capsys, tmp_path)
    assert {
        key: seats[key] for key in ("tenant", "amount", "currency", "kind", "seats", "ref")
    } == {
        "tenant": "acme",
        "amount": "90",
        "currency": "USD",
        "kind": "seat",
        "seats": 4,
        "ref": "stripe:il_1",
    }
    assert seats["from"] == "2026-10-01T00:00:00Z"
    assert (usage["amount"], usage["currency"], usage["kind"]) == ("700", "JPY", "usage")
    assert usage["feature"] == "search"
    draft = json.dumps(_stripe(status="draft"))
    event = json.dumps({"data": {"object": _stripe()}})
    done = _import(capsys, tmp_path, f"{draft}\n{event}\n", options=_as("stripe"))
    assert done.rows == [{"added": 0, "known": 2, "problems": 0}]
    void = _import(capsys, tmp_path, json.dumps(_stripe(status="void")), options=_as("stripe"))
    assert void.rows == [{"added": 2, "known": 2, "problems": 0}]
    assert sum(Fraction(row["amount"]) for row in _list(capsys, tmp_path)) == 0


def test_pages_of_stripe_that_lack_something(tmp_path: Path, capsys: Capture) -> None:
    lines = {"data": [], "has_more": True}
    stranger = _stripe(id="in_2", customer="cus_9")
    page = {"data": [_stripe(lines=lines), stranger, {"id": "in_3"}], "has_more": True}
    done = _import(capsys, tmp_path, json.dumps(page), options=_as("stripe"))
    assert done.code == 2
    for said in (
        "its last page says that more follow",
        "no tenant for the customer 'cus_1' of stripe",
        "no tenant for the customer 'cus_9' of stripe",
        "no invoice of stripe: KeyError 'status'",
    ):
        assert said in done.err
    (tmp_path / "tenants.toml").write_text(_REGISTRY, encoding="utf-8")
    done = _import(capsys, tmp_path, json.dumps(page), options=_as("stripe"))
    assert "invoice in_1 has more lines than are in this file" in done.err
    floats = _stripe()
    floats["lines"]["data"][0]["amount"] = 12.5
    done = _import(capsys, tmp_path, json.dumps(floats), options=_as("stripe"))
    assert "no whole number" in done.err
    whole = json.dumps(_stripe())
    done = _import(capsys, tmp_path, f"{whole}\n{whole[: len(whole) // 2]}", options=_as("stripe"))
    assert "in0.txt:2: not JSON" in done.err


def test_invoices_of_orb(tmp_path: Path, capsys: Capture) -> None:
    line = {
        "id": "li_1",
        "adjusted_subtotal": "40.10",
        "amount": "0.00",
        "start_date": "2026-10-01T00:00:00+00:00",
        "end_date": "2026-11-01T00:00:00+00:00",
        "price": {"price_type": "usage_price"},
    }
    invoice = {
        "id": "inv_1",
        "status": "issued",
        "currency": "USD",
        "customer": {"id": "c_9", "external_customer_id": "globex"},
        "line_items": [line, {**line, "id": "li_2", "price": {"price_type": "fixed_price"}}],
    }
    page = {"data": [invoice], "pagination_metadata": {"has_more": False, "next_cursor": None}}
    done = _import(capsys, tmp_path, json.dumps(page), options=_as("orb"))
    assert done.code == 0, done.err
    found = [(r["tenant"], r["amount"], r["kind"], r["ref"]) for r in _list(capsys, tmp_path)]
    assert found == [
        ("globex", "40.1", "usage", "orb:li_1"),
        ("globex", "40.1", "flat", "orb:li_2"),
    ]


def test_invoices_of_metronome(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "tenants.toml").write_text(_REGISTRY, encoding="utf-8")
    usage = {"name": "Tokens", "type": "usage", "total": 1250.5, "quantity": 5}
    lines = [
        usage,
        usage,
        {"name": "Commit", "type": "applied_commit_or_credit", "total": -100},
        {"name": "Prepaid", "type": "commit_purchase", "total": 5000},
    ]
    invoice = {
        "id": "i-1",
        "customer_id": "m-1",
        "status": "FINALIZED",
        "credit_type": {"name": "USD (cents)"},
        "start_timestamp": "2026-10-01T00:00:00+00:00",
        "end_timestamp": "2026-11-01T00:00:00+00:00",
        "line_items": lines,
    }
    done = _import(capsys, tmp_path, json.dumps({"data": [invoice]}), options=_as("metronome"))
    assert done.rows == [{"added": 3, "known": 0, "problems": 0}], done.err
    mixed = {**invoice, "line_items": lines[::-1]}
    done = _import(capsys, tmp_path, json.dumps([mixed]), options=_as("metronome"))
    assert done.rows == [{"added": 0, "known": 3, "problems": 0}]
    found = sorted((row["amount"], row["kind"]) for row in _list(capsys, tmp_path))
    assert found == [("12.505", "usage"), ("12.505", "usage"), ("50", "credit")]


# --- of any numbers ---

_AMOUNTS = st.integers(-(10**30), 10**30)


@given(_AMOUNTS, st.lists(st.integers(-50, 150), min_size=1, max_size=8))
def test_any_tiling_readds(amount: int, cuts: list[int]) -> None:
    at = sorted([-100, *cuts, 200])
    assert sum(recognised(amount, 0, 101, a, b) for a, b in pairwise(at)) == amount
    for a, b in pairwise(at):
        exact = Fraction(amount * max(min(b, 101) - max(a, 0), 0), 101)
        assert abs(recognised(amount, 0, 101, a, b) - exact) <= 1


@given(st.lists(st.integers(-(10**40), 10**40), max_size=12))
def test_rounded_columns_readd(values: list[int]) -> None:
    found = readding(values, ATTO)
    assert abs(sum(found) - Fraction(sum(values), ATTO)) <= Fraction(1, 2)
    assert all(
        abs(one - Fraction(value, ATTO)) < 1 for one, value in zip(found, values, strict=True)
    )


@given(
    _AMOUNTS,
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(-5, 10**20), max_size=10),
)
def test_what_is_spread_is_all_of_it(total: int, weights: dict[str, int]) -> None:
    parts = shares(total, weights)
    whole = sum(max(weight, 0) for weight in weights.values())
    if not whole:
        assert parts == {}
        return
    assert sum(parts.values()) == total
    for name, part in parts.items():
        assert abs(part - Fraction(total * max(weights[name], 0), whole)) < 1
    assert shares(total, dict(reversed(weights.items()))) == parts, "the order decides nothing"


@given(_AMOUNTS, st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_places_have_all_of_it(total: int, weights: list[int]) -> None:
    assert sum(places(total, ([0] * len(weights), weights), len(weights))) == total
