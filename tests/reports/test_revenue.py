"""Importing revenue: in any order, twice, cut off, contradicting itself; and what is recognised of it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.errors import FormatTooNewError, LedgerError, RevenueError
from otel_genai_cost.pricing.money import ATTO, readding
from otel_genai_cost.reports.margin.spreading import places, shares
from otel_genai_cost.reports.revenue.row import recognised
from otel_genai_cost.reports.revenue.store import REVENUE_FILE, keep_revenue, revenue_in
from tests.cli.program import call
from tests.reports.margin_home import HEAD
from tests.reports.revenue_files import import_files, listed

Capture = pytest.CaptureFixture[str]

_ROWS = [
    "acme,2026-10-01,2026-11-01,100.50,USD,flat,a-1,,",
    "acme,2026-10-01T02:00:00+02:00,2026-11-01,20,EUR,seat,a-2,,12",
    "globex,2026-10-05,2026-10-05,500,USD,credit,g-1,,",
    "globex,2026-10-01,2026-11-01,-3.000000000000000001,USD,usage,g-2,search,",
]


def test_order_repetition_and_a_second_import_change_nothing(
    tmp_path: Path, capsys: Capture
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    done = import_files(capsys, one, HEAD + "\n".join(_ROWS))
    assert done.rows == [{"added": 4, "known": 0, "problems": 0}]
    again = import_files(capsys, one, HEAD + "\n".join([*_ROWS[::-1], *_ROWS, ""]))
    assert again.rows == [{"added": 0, "known": 4, "problems": 0}]
    import_files(capsys, other, HEAD + "\n".join(_ROWS[2:]), HEAD + "\r\n".join(_ROWS[::-1]))
    assert listed(capsys, one) == listed(capsys, other)
    assert listed(capsys, one)[1] == {
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
    done = import_files(capsys, tmp_path, HEAD + _ROWS[0], HEAD + _BROKEN)
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
    assert listed(capsys, tmp_path) == []
    partial = import_files(
        capsys, tmp_path, HEAD + _ROWS[0], HEAD + _BROKEN, options=("--partial",)
    )
    assert (partial.code, partial.rows) == (1, [{"added": 2, "known": 0, "problems": 10}])


@pytest.mark.parametrize(
    "text",
    ["", "tenant,amount\na,1\n", "{}", HEAD + 'a,"unfinished', HEAD.replace("kind", "colour")],
)
def test_what_is_no_table_of_revenue(tmp_path: Path, capsys: Capture, text: str) -> None:
    done = import_files(capsys, tmp_path, text)
    assert (done.code, done.out) == (2, "")
    assert "in0.txt" in done.err


def test_a_ref_stays_what_it_was(tmp_path: Path, capsys: Capture) -> None:
    import_files(capsys, tmp_path, HEAD + _ROWS[0])
    done = import_files(capsys, tmp_path, HEAD + _ROWS[1] + "\n" + _ROWS[0].replace("100.50", "90"))
    assert done.code == 2
    assert f"{tmp_path / 'in0.txt'}:3: ref 'a-1' was imported as something else" in done.err
    assert [row["amount"] for row in listed(capsys, tmp_path)] == ["100.5"], "all or nothing"


def test_what_was_imported_otherwise_is_said_beside_all_else(
    tmp_path: Path, capsys: Capture
) -> None:
    import_files(capsys, tmp_path, HEAD + _ROWS[0] + "\n" + _ROWS[2])
    reused = [_ROWS[2].replace("500", "5"), _ROWS[0].replace("100.50", "90"), _ROWS[3], _ROWS[0]]
    texts = HEAD + "\n".join([*reused[:2], _BROKEN.split("\n")[0]]), HEAD + "\n".join(reused[1:])
    done = import_files(capsys, tmp_path, *texts)
    said = [line.rpartition("in")[2].split(";")[0] for line in done.err.split(".txt:")[1:]]
    places = [line.partition(": ")[0] for line in done.err.split("/in")[1:]]
    assert (done.code, done.out) == (2, "")
    assert places == ["0.txt:2", "0.txt:3", "0.txt:4", "1.txt:2"], said
    for ref, times in (("g-1", 1), ("a-1", 2)):
        assert done.err.count(f"ref '{ref}' was imported as something else") == times
    partial = import_files(capsys, tmp_path, *texts, options=("--partial",))
    assert (partial.code, partial.rows) == (1, [{"added": 1, "known": 1, "problems": 4}])
    assert [row["amount"] for row in listed(capsys, tmp_path)] == [
        *("100.5", "500"),
        "-3.000000000000000001",
    ]


def test_what_another_process_imported_meanwhile_is_nothing_of_ours(
    tmp_path: Path, capsys: Capture
) -> None:
    import_files(capsys, tmp_path, HEAD + _ROWS[0])
    (ours,) = revenue_in(tmp_path)
    with pytest.raises(RevenueError, match="'a-1' was imported as something else"):
        keep_revenue(tmp_path, [ours._replace(ref="a-9"), ours._replace(amount=ATTO)], 0)
    assert list(revenue_in(tmp_path)) == [ours]


def test_rows_are_never_changed_nor_deleted(tmp_path: Path, capsys: Capture) -> None:
    import_files(capsys, tmp_path, HEAD + _ROWS[0])
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
