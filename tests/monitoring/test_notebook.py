"""The notebook: it runs from top to bottom, on DuckDB as on Parquet, and its sums are those of the reports."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from tests.cli.command import rows
from tests.demo.processes import ROOT
from tests.environments.made import python_with
from tests.monitoring.filled import fill

pytestmark = pytest.mark.environments

_FOLDER: Final = ROOT / "monitoring" / "notebook"
_PROGRAM: Final = Path(__file__).with_name("notebook_program.py")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("ledger"))


@pytest.fixture(scope="module")
def python() -> Path:
    return python_with(ROOT / "build" / "environments", "marimo>=0.25", "duckdb>=1.2", ours=None)


def _found(python: Path, entries: Path) -> dict[str, list[dict[str, Any]]]:
    command = [str(python), "-B", str(_PROGRAM), str(_FOLDER), str(entries)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _costs(found: list[dict[str, Any]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in found:
        sums[one["currency"]] = sums.get(one["currency"], Decimal(0)) + Decimal(one["cost"])
    return sums


def test_its_sums_are_those_of_the_reports(home: Path, python: Path, tmp_path: Path) -> None:
    parquet = tmp_path / "it's entries.parquet"
    with duckdb.connect(str(home / "charges.duckdb"), read_only=True) as db:
        db.execute(f"COPY entries TO '{str(parquet).replace(chr(39), chr(39) * 2)}'")
    found = _found(python, home / "charges.duckdb")
    assert _found(python, parquet) == found
    reported = rows("report", "--by", "service", "--json", "--ledger", str(home))
    wanted = {one["currency"]: Decimal(one["at_least"]) for one in reported}
    assert len(wanted) == 2
    assert _costs(found["whole"]) == _costs(found["lengths"]) == _costs(found["week"]) == wanted
    by_tenant = rows("report", "--by", "tenant", "--json", "--ledger", str(home))
    of_tenants = [
        one for one in by_tenant if one["tenant"] is not None and one["currency"] == "USD"
    ]
    in_dollars = [one for one in found["concentration"] if one["currency"] == "USD"]
    last = in_dollars[-1]
    assert last["tenants"] == last["of_tenants"] == len(of_tenants)
    assert Decimal(last["cost"]) == sum(Decimal(one["at_least"] or 0) for one in of_tenants)
    assert Decimal(in_dollars[0]["cost"]) == max(
        Decimal(one["at_least"] or 0) for one in of_tenants
    )
    assert found["mix"] and found["corrections"]
    months = rows("report", "--by", "month,tenant,model", "--json", "--ledger", str(home))
    one = found["mix"][0]
    key = one["currency"], one["tenant"], one["model"]
    mine = [
        Decimal(row["total"])
        for row in months
        if (row["currency"], row["tenant"], row["model"]) == key
    ]
    assert [Decimal(one["before"]), Decimal(one["now"])] == mine[-2:]


def test_it_exports_as_a_page(home: Path, python: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    marimo = [str(python.with_name("marimo")), "-q"]
    checked = [*marimo, "check", "--strict", str(_FOLDER / "questions.py")]
    subprocess.run(checked, check=True, capture_output=True, timeout=120)
    command = [*marimo, "export", "html", str(_FOLDER / "questions.py"), "-o", str(page)]
    command += ["--", "--entries", str(home / "charges.duckdb")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "What do long prompts cost?" in page.read_text("utf-8")
