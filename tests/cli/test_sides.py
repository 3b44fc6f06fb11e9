"""Both sides of what is booked, in every command: what calls cost us, and what customers pay."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.cli.command import rows, run
from tests.reports.fixture import make_home

_CONTRACTS = """
schema = "otel-genai-cost-contracts/1"

[[contract]]
id = "ours"
source = "what the provider gives us"
order = 1
from = 2026-01-01T00:00:00Z
side = "cost"
multiplier = 0.5

[[contract]]
id = "credits"
source = "price list"
order = 2
from = 2026-01-01T00:00:00Z
match = { tenant = "acme" }
side = "price"
currency = "ACU"

[[contract]]
id = "fee"
source = "price list"
order = 3
from = 2026-01-01T00:00:00Z
side = "price"
multiplier = 1.2

[[fx]]
base = "USD"
quote = "ACU"
rate = 100
from = 2026-01-01T00:00:00Z
source = "price list"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose booked charges were moved to contracts of both sides."""
    folder = tmp_path_factory.mktemp("sides")
    home, contracts = make_home(folder / "home"), folder / "contracts.toml"
    rows("ship", "--drain", "--json", "--ledger", str(home))
    contracts.write_text(_CONTRACTS)
    changed = rows(
        *("rerate", "--contracts-only", "--contracts", str(contracts), "--json"),
        *("--ledger", str(home)),
    )
    acme = [row for row in changed if row["tenant"] == "acme"]
    assert {row["price_currency"] for row in acme} == {"ACU"}
    return home


def _totals(home: Path, *options: str) -> dict[tuple[str | None, str], str | None]:
    found = rows("report", "--json", "--ledger", str(home), *options)
    return {(row["tenant"], row["currency"]): row["total"] for row in found}


def test_report_is_of_the_cost_unless_it_is_asked_for_the_price(home: Path) -> None:
    costs, prices = _totals(home), _totals(home, "--side", "price")
    assert costs == _totals(home, "--side", "cost")
    assert costs["acme", "USD"] == "0.00318"  # half of 0.00636
    assert prices["acme", "ACU"] == "0.3816"  # a hundred units a dollar, and a fifth on top
    assert (costs[None, "USD"], prices[None, "USD"]) == ("0.00175", "0.0021")


def test_sums_of_charges_and_entries_are_those_of_the_report(home: Path) -> None:
    for side, currency, reported in (
        ("amount", "currency", _totals(home)),
        ("price", "price_currency", _totals(home, "--side", "price")),
    ):
        for command in ("charges", "entries"):
            sums: dict[tuple[str | None, str], Decimal] = {}
            for row in rows(command, "--json", "--ledger", str(home)):
                key = (row["tenant"], row[currency])
                sums[key] = sums.get(key, Decimal(0)) + Decimal(row[side])
            assert {key: total for key, total in sums.items() if total} == {
                key: Decimal(total) for key, total in reported.items() if total not in (None, "0")
            }


def test_receipt_shows_both(home: Path) -> None:
    charge = next(
        row
        for row in rows("charges", "--json", "--ledger", str(home))
        if row["tenant"] == "acme" and row["total"]
    )
    shown = run("explain", charge["charge_id"], "--ledger", str(home)).stdout.splitlines()
    total = next(line for line in shown if line.strip().startswith("total "))
    price = next(line for line in shown if line.strip().startswith("price "))
    assert total.split()[-2:] == [charge["amount"], "USD"]
    assert price.split()[-2:] == [charge["price"], "ACU"]


def test_page_and_top_of_the_price(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    run("report", "--side", "price", "--html", str(page), "--ledger", str(home))
    assert "what customers pay" in page.read_text()
    assert "0.3816 ACU" in page.read_text()
    top = rows(
        *("top", "--side", "price", "--since", "2026-01-01", "--json", "--ledger", str(home))
    )
    assert ("acme", "0.3816", "ACU") in [(r["tenant"], r["total"], r["currency"]) for r in top]


def test_no_side_is_refused(home: Path) -> None:
    done = run("report", "--side", "margin", "--ledger", str(home))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_file_of_an_older_version_is_read_by_price(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    costs = _totals(home)
    with duckdb.connect(str(home / "charges.duckdb")) as db:
        for name in ("price", "price_currency"):
            db.execute(f"ALTER TABLE entries DROP COLUMN {name}")
    assert _totals(home) == costs == _totals(home, "--side", "price")
