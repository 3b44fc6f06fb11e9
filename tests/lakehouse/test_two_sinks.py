"""What operations ask (DuckDB) and what finance asks (Iceberg, Delta) are one ledger's entries, corrections and all, to
the last digit; one row that somebody changed is found."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_exporters.lakehouse.delta import DeltaSink
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from tests.cli.homes import home_of
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant

pytest.importorskip("pyiceberg")
pytest.importorskip("deltalake")

Capture = pytest.CaptureFixture[str]
_DAY_S: Final = 86_400
_ATTO: Final = Decimal("0.000000000000000001")
_THIRD: Final = """
schema = "otel-genai-cost-contracts/1"

[[contract]]
id = "a third, nearly"
source = "order form"
order = 1
from = 2026-01-01T00:00:00Z
side = "cost"
multiplier = 0.333333333
"""


def _whose(n: int) -> Attribution:
    return tenant(("acme", "beta", None)[n % 3])


@pytest.fixture
def home(tmp_path: Path, capsys: Capture) -> Path:
    """Thirty calls over a week, shipped to both; then every one of them corrected, and shipped again."""
    calls = [
        observe(
            n,
            trace=n,
            start_s=n * _DAY_S // 4,
            end_s=n * _DAY_S // 4 + 1,
            tokens=(n * 7 + 1, n),
            attribution=_whose(n),
        )
        for n in range(1, 31)
    ]
    home = home_of(tmp_path / "home", calls)
    at = ("--ledger", str(home))
    for kind in ("iceberg", "delta"):
        assert call(capsys, "sinks", "add", f"finance-{kind}", "--kind", kind, *at).code == 0
    assert call(capsys, "ship", *at).code == 0
    contracts = tmp_path / "contracts.toml"
    contracts.write_text(_THIRD, encoding="utf-8")
    done = call(capsys, "rerate", "--contracts-only", "--contracts", str(contracts), *at)
    assert done.code == 0, done.err
    assert call(capsys, "ship", *at).code == 0
    return home


@pytest.mark.parametrize("finance", ["finance-iceberg", "finance-delta"])
def test_two_sinks_are_equal_with_corrections(home: Path, capsys: Capture, finance: str) -> None:
    at = ("--ledger", str(home))
    (own,) = (row for row in rows_of(capsys, "sinks", "list", *at) if row["sink"] == finance)
    assert own["behind"] == 0
    assert own["seq"] == 60, "a correction for each call"
    with_ledger = rows_of(capsys, "sinks", "verify", finance, *at)
    between = rows_of(capsys, "sinks", "verify", "--between", "duckdb", finance, *at)
    assert len(between) == len(with_ledger) == 8
    for mine, theirs in zip(with_ledger, between, strict=True):
        assert mine["equal"] and theirs["equal"]
        assert mine["ledger"] == theirs["sink_has"] == theirs["other_has"]
    assert any(len(row["ledger"]["sum"]) > 12 for row in with_ledger), (
        "digits that a double has not"
    )


@pytest.mark.parametrize("finance", ["finance-iceberg", "finance-delta"])
def test_a_row_that_somebody_changed_is_found_and_mended(
    home: Path, capsys: Capture, finance: str
) -> None:
    at = ("--ledger", str(home))
    _TAMPERED[finance](home / "sinks" / finance)
    done = call(capsys, "sinks", "verify", "--between", "duckdb", finance, *at, "--json")
    assert done.code == 1
    wrong = [row for row in done.rows if not row["equal"]]
    (day,) = (row for row in wrong if "tenant" not in row)
    (whose,) = (row for row in wrong if "tenant" in row)
    assert day["sink_has"]["count"] == day["other_has"]["count"]
    assert (whose["tenant"], whose["day"]) == ("beta", day["day"])
    assert whose["sink_has"]["sum"] != whose["other_has"]["sum"]
    assert call(capsys, "sinks", "verify", finance, *at).code == 1
    assert call(capsys, "sinks", "refill", finance, *at).code == 0
    assert call(capsys, "ship", *at).code == 0
    assert call(capsys, "sinks", "verify", "--between", "duckdb", finance, *at).code == 0


def _in_iceberg(place: Path) -> None:
    """One atto of a call of beta's, by another program that may write there."""
    sink = IcebergSink(place)
    table: Any = sink._table()
    rows = table.scan().to_arrow()
    table.overwrite(_with_an_atto_more(rows))
    sink.close()


def _in_delta(place: Path) -> None:
    table: Any = DeltaSink(place)._table()
    more = "amount + CAST('0.000000000000000001' AS DECIMAL(38,18))"
    table.update(predicate="seq = 4", updates={"amount": more})


def _with_an_atto_more(rows: Any) -> Any:
    arrow = import_module("pyarrow")
    changed = [
        row["amount"] + (_ATTO if row["seq"] == 4 else 0)
        for row in rows.select(["seq", "amount"]).to_pylist()
    ]
    amounts = arrow.array(changed, arrow.decimal128(38, 18))
    return rows.set_column(rows.column_names.index("amount"), "amount", amounts)


_TAMPERED: Final[dict[str, Callable[[Path], None]]] = {
    "finance-iceberg": _in_iceberg,
    "finance-delta": _in_delta,
}
