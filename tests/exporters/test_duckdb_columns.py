"""The DuckDB file by contract: its columns re-add, and a file of an older version gets those it lacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from otel_genai_cost.ledger.contracts.contract import PARTS, Contract, Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.position import positions
from otel_genai_cost.ledger.posting.post import post
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_exporters.duckdb import COLUMNS, DuckDBSink
from tests.exporters.entries import entries
from tests.ledger.build import observe

_NEW = ("list_amount", "discount_amount", "markup_amount", "contracts")


def _by_contract() -> Entry:
    fee = Contract("fee", "a letter", 1, 0, multiplier=12 * PARTS // 10)
    half = Contract("half", "a letter", 2, 0, multiplier=PARTS // 2)
    (verdict,) = settle([observe(1)]).verdicts
    wanted = positions(verdict, contracts=Contracts([fee, half], digest="d" * 64))
    (entry,) = post("0" * 32, wanted, None, cause="charged", cause_id=None, booked_us=1)
    return entry._replace(seq=1)


def test_columns_and_lines_re_add_to_the_amount(tmp_path: Path) -> None:
    sink = DuckDBSink(tmp_path / "charges.duckdb")
    sink.append("ledger", [_by_contract()])
    names = ("amount", *_NEW, "lines")
    ((amount, listed, discount, markup, contracts, lines),) = sink.query(
        f"SELECT {', '.join(names)} FROM entries"
    ).rows
    # 0.0035 at the list price; a fifth on top, then half of it all off
    assert (listed, markup, discount) == (Decimal("0.0035"), Decimal("0.0007"), Decimal("-0.0021"))
    assert amount == listed + discount + markup == Decimal("0.0021")
    assert sum(Decimal(line["amount"]) for line in json.loads(lines)) == amount
    assert contracts == "d" * 64


def test_file_of_an_older_version_gets_the_columns_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "charges.duckdb"
    DuckDBSink(path).append("ledger", entries(2))
    with duckdb.connect(str(path)) as db:
        for name in _NEW:
            db.execute(f"ALTER TABLE entries DROP COLUMN {name}")
    sink = DuckDBSink(path)
    sink.append("ledger", entries(2, first=3))
    found = sink.query(
        "SELECT count(*), count(*) FILTER (amount = list_amount + discount_amount + markup_amount) FROM entries"
    )
    assert found.rows == [(4, 4)]
    assert set(sink.query("SELECT * FROM entries LIMIT 0").columns) == set(COLUMNS)


@pytest.mark.parametrize("name", ["tenant=nobody", "seq=9", "a[b]", "*", "it's"])
def test_name_of_the_folder_says_nothing_of_entries(tmp_path: Path, name: str) -> None:
    sink = DuckDBSink(tmp_path / name / "charges.duckdb")
    sink.append("ledger", entries(2))
    found = sink.query("SELECT seq, tenant FROM entries ORDER BY seq").rows
    assert found == [(one.seq, one.attribution.tenant) for one in entries(2)]


_KILLED = """
import os, signal, sys
from pathlib import Path
from otel_genai_exporters.duckdb import DuckDBSink
from tests.exporters.entries import entries

def killed():
    yield from entries(400)
    os.kill(os.getpid(), signal.SIGKILL)

DuckDBSink(Path(sys.argv[1])).load("ledger", killed())
"""


def test_kills_leave_no_more_than_one_file_and_the_next_load_takes_it_away(tmp_path: Path) -> None:
    path = tmp_path / "charges.duckdb"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for _ in range(2):
        program = [sys.executable, "-c", _KILLED, str(path)]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        done = subprocess.run(program, check=False, env=environment)
        assert done.returncode == -signal.SIGKILL
    assert not list(temporary.iterdir())
    (left,) = [one for one in tmp_path.iterdir() if one.is_file()]
    assert left.stat().st_mode & 0o077 == 0
    sink = DuckDBSink(path)
    sink.append("ledger", entries(2))
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["charges.duckdb"]
    assert sink.query("SELECT count(*) FROM entries").rows == [(2,)]
