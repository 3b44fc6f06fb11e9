"""Contracts and overlays as an operator sets them: by a setting or a flag, and a mistake is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import rows, run
from tests.ledger.rerating.test_terms import HALF, HOUSE
from tests.reports.fixture import make_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home")


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    path = tmp_path / "contracts.toml"
    path.write_text(HALF)
    return path


def _total(home: Path, tenant: str, **options: str) -> str:
    found = rows("report", "--json", "--ledger", str(home), env=options or None)
    (row,) = [row for row in found if row["tenant"] == tenant]
    return str(row["total"])


def test_rerate_by_contracts_only(home: Path, contracts: Path) -> None:
    assert _total(home, "acme") == "0.00636"
    told = rows(
        *("rerate", "--contracts-only", "--contracts", str(contracts), "--json"),
        *("--ledger", str(home)),
    )
    assert sum(1 for row in told if row["difference"].startswith("-")) == len(told) == 2
    assert _total(home, "acme") == "0.00318"


def test_setting_holds_for_every_command_that_ships(home: Path, contracts: Path) -> None:
    env = {"OTEL_GENAI_COST_CONTRACTS": str(contracts)}
    assert run("ship", "--drain", "--ledger", str(home), env=env).returncode == 0
    rows("rerate", "--json", "--ledger", str(home), env=env)
    assert _total(home, "acme", **env) == "0.00318"
    assert _total(home, "acme") == "0.00318"


def test_receipt_shows_the_list_price_and_the_discount(home: Path, contracts: Path) -> None:
    rows("rerate", "--contracts", str(contracts), "--json", "--ledger", str(home))
    charges = rows("charges", "--json", "--ledger", str(home))
    (charge,) = [c for c in charges if c["tenant"] == "acme" and c["total"] == "0.00143"]
    shown = run("explain", charge["charge_id"], "--ledger", str(home)).stdout
    assert "discount cache_read" in shown
    assert "(half)" in shown
    (record,) = rows("explain", charge["charge_id"], "--json", "--ledger", str(home))
    (net,) = record["net"]
    assert {line["kind"] for line in net["lines"]} == {"list", "discount"}
    assert net["contracts"] == record["entries"][-1]["contracts"]


def test_broken_contracts_stop_the_shipper_and_not_the_reader(home: Path, contracts: Path) -> None:
    contracts.write_text(HALF.replace("0.5", "-0.5"))
    env = {"OTEL_GENAI_COST_CONTRACTS": str(contracts)}
    done = run("ship", "--drain", "--ledger", str(home), env=env)
    assert done.returncode == 2
    assert f"{contracts}:3" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    read = run("report", "--ledger", str(home), env=env)
    assert read.returncode == 0
    assert "cannot be brought up to date" in read.stderr


def test_overlay_explains_the_house_model(home: Path, tmp_path: Path) -> None:
    assert rows("ship", "--json", "--drain", "--ledger", str(home))[0]["rerated"] == 0
    overlay = tmp_path / "own.toml"
    overlay.write_text(HOUSE)
    env = {"OTEL_GENAI_COST_OVERLAYS": str(overlay)}
    assert _total(home, "globex") == "None"
    assert _total(home, "globex", **env) == "0.0011"
    (done,) = rows("ship", "--json", "--drain", "--ledger", str(home), env=env)
    assert done["rerated"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("ship", "--contracts", "/no/such/contracts.toml"),
        ("rerate", "--contracts", "/no/such/contracts.toml"),
        ("rerate", "--contracts-only", "--known-on", "2026-11-20T12:00:00Z"),
        ("rerate", "--known-on", "yesterday"),
    ],
)
def test_mistake_is_exit_2_and_one_line(home: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, "--ledger", str(home))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_rerate_as_known_on_a_date(home: Path) -> None:
    told = rows(
        *("rerate", "--known-on", "2020-01-01T00:00:00Z", "--dry-run", "--json"),
        *("--ledger", str(home)),
    )
    assert {row["difference"] for row in told} == {"-0.00286", "-0.0035"}
