"""Iceberg and Delta tables: exact, alone with their mark in a commit, and unharmed by other writers, old tables and
other engines' maintenance. Where the libraries are: see `tests/environments/test_lakehouse.py`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.day_sums import day_sums
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.entry_columns import COLUMNS, row_of
from otel_genai_exporters.lakehouse.delta import DeltaSink
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from otel_genai_exporters.libpq_waiting import CONNECTION
from tests.demo.processes import ROOT
from tests.exporters.entries import entries, with_amount
from tests.exporters.postgresql_server import server

pytest.importorskip("pyiceberg")
pytest.importorskip("deltalake")

_Sink: TypeAlias = IcebergSink | DeltaSink
_SINKS: dict[str, Callable[[Path], _Sink]] = {"iceberg": IcebergSink, "delta": DeltaSink}
_DAY_US = 86_400_000_000


@pytest.fixture(params=_SINKS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], _Sink]:
    """The sink at its place, as each process opens it anew."""
    return lambda: _SINKS[request.param](tmp_path / "table")


def rows_of(sink: _Sink) -> Any:
    """What is in a table, by its own library."""
    if isinstance(sink, DeltaSink):
        return import_module("pyarrow").table(delta_table(sink).scan())
    return iceberg_table(sink).scan().to_arrow()


def delta_table(sink: DeltaSink) -> Any:
    return sink._table()


def iceberg_table(sink: IcebergSink) -> Any:
    return sink._table()


def over_days(count: int) -> list[Entry]:
    """Entries, six hours after one another."""
    return [
        one._replace(occurred_us=one.occurred_us + one.seq * _DAY_US // 4) for one in entries(count)
    ]


@pytest.mark.parametrize("atto", [1, -1, 10**18 + 1, -(9 * 10**37 + 1), 10**38 - 1])
def test_money_is_exact_to_the_last_of_eighteen_places(
    opened: Callable[[], _Sink], atto: int
) -> None:
    opened().append("ledger-1", [with_amount(entries(1)[0], atto)])
    (day,) = opened().days(1)
    assert day.amount == atto


def test_sums_are_exact_beyond_what_a_column_holds(opened: Callable[[], _Sink]) -> None:
    most = 10**38 - 1
    opened().append("ledger-1", [with_amount(one, most) for one in entries(12)])
    (day,) = opened().days(12)
    assert day.amount == 12 * most


def test_entry_that_does_not_fit_is_an_error_of_ours_and_changes_nothing(
    opened: Callable[[], _Sink],
) -> None:
    opened().append("ledger-1", entries(1))
    with pytest.raises(GenAICostError, match="does not fit in precision 38"):
        opened().append("ledger-1", [with_amount(entries(1, first=2)[0], 10**38)])
    assert opened().mark() == Mark("ledger-1", 1)


@pytest.mark.parametrize(
    "name", ["a'; DROP TABLE entries; --", 'quo"te', "日本", "new\nline", "\\", "", "\x00"]
)
def test_any_text_survives(opened: Callable[[], _Sink], name: str) -> None:
    opened().append("ledger-1", [entries(1)[0]._replace(model=name)])
    assert rows_of(opened())["model"].to_pylist() == [name]


def test_days_are_those_of_utc_and_equal_the_ledgers(opened: Callable[[], _Sink]) -> None:
    booked = over_days(40)
    opened().append("ledger-1", booked)
    for upto in (40, 17):
        assert sorted(opened().days(upto)) == sorted(day_sums(booked, upto))
    by_tenant = day_sums(booked, 40, by_tenant=True)
    assert sorted(opened().tenant_days(40)) == sorted(by_tenant)


def test_a_day_is_a_partition(opened: Callable[[], _Sink], tmp_path: Path) -> None:
    opened().append("ledger-1", over_days(9))
    folders = {one.parent.name for one in tmp_path.rglob("*.parquet")}
    assert {one.partition("=")[2] for one in folders} == {
        "2026-11-18",
        "2026-11-19",
        "2026-11-20",
    }
    assert min(day.day for day in opened().days(9)) == date(2026, 11, 18)


def test_times_have_their_zone(opened: Callable[[], _Sink]) -> None:
    opened().append("ledger-1", entries(1))
    rows = rows_of(opened())
    assert str(rows.schema.field("occurred").type).startswith("timestamp[us, tz=")
    (when,) = rows["occurred"].to_pylist()
    assert when.isoformat() == "2026-11-18T11:06:41+00:00"


def test_a_writer_that_lost_a_race_adds_nothing(
    opened: Callable[[], _Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two shippers at one table, of which the lock of a ledger knows nothing: both read the mark, and one is late."""
    opened().append("ledger-1", entries(2))
    late = opened()
    table = late._table()
    opened().append("ledger-1", entries(3, first=3))
    monkeypatch.setattr(late, "_table", lambda: table)
    with pytest.raises(GenAICostError):
        late.append("ledger-1", entries(3, first=3))
    monkeypatch.undo()
    late.append("ledger-1", entries(3, first=3))
    assert late.mark() == Mark("ledger-1", 5)
    assert sum(day.entries for day in late.days(5)) == 5


def test_a_writer_of_another_ledger_that_lost_a_race_adds_nothing(
    opened: Callable[[], _Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = opened()
    late.append("ledger-1", entries(1))
    late.reset()
    table = late._table()
    opened().append("ledger-2", entries(3))
    monkeypatch.setattr(late, "_table", lambda: table)
    with pytest.raises(GenAICostError):
        late.append("ledger-1", entries(4))
    monkeypatch.undo()
    assert opened().mark() == Mark("ledger-2", 3)
    assert sum(day.entries for day in opened().days(5)) == 3


def test_columns_of_a_later_version_are_added(
    opened: Callable[[], _Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().append("ledger-1", entries(2))
    _with_a_further_column(monkeypatch)
    opened().append("ledger-1", entries(1, first=3))
    further = {row["seq"]: row["further"] for row in rows_of(opened()).to_pylist()}
    assert further == {1: None, 2: None, 3: "x"}
    assert opened().mark() == Mark("ledger-1", 3)


@pytest.mark.service
def test_catalog_in_postgresql(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with server(tmp_path / "server") as database:
        uri = database.address.replace("postgresql://", "postgresql+psycopg://")
        for upto in (2, 4):
            sink = IcebergSink(tmp_path, uri=uri, warehouse=tmp_path.as_uri())
            sink.append("ledger-1", entries(upto))
            assert sink.mark() == Mark("ledger-1", upto)
            sink.close()


@pytest.mark.timeout(60)
def test_catalog_in_a_database_that_never_answers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONNECTION, "connect_timeout", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql+psycopg://feeder@127.0.0.1:{silent.getsockname()[1]}/lake"
        sink = IcebergSink(tmp_path, uri=address)
        with pytest.raises(GenAICostError, match="timeout"):
            sink.mark()


def _with_a_further_column(monkeypatch: pytest.MonkeyPatch) -> None:
    from otel_genai_exporters.lakehouse import arrow_rows, iceberg

    columns = {**COLUMNS, "further": "text"}
    monkeypatch.setattr(arrow_rows, "COLUMNS", columns)
    monkeypatch.setattr(arrow_rows, "row_of", lambda entry: (*row_of(entry), "x"))
    monkeypatch.setattr(iceberg, "COLUMNS", columns)
    monkeypatch.setattr(iceberg, "_TYPES", {**iceberg._TYPES, "further": "StringType"})


def test_mark_survives_compaction_and_expiry_by_others(opened: Callable[[], _Sink]) -> None:
    sink = opened()
    for first in range(1, 7):
        sink.append("ledger-1", entries(1, first=first))
    before = sorted(sink.days(6))
    if isinstance(sink, DeltaSink):
        table = delta_table(sink)
        assert table.optimize.compact()["numFilesRemoved"] == 6
        table.create_checkpoint()
        table.vacuum(0, enforce_retention_duration=False, dry_run=False)
    else:
        _rewrite(iceberg_table(sink))
    assert opened().mark() == Mark("ledger-1", 6)
    opened().append("ledger-1", entries(8))
    assert opened().mark() == Mark("ledger-1", 8)
    assert sorted(opened().days(6)) == before


def _rewrite(table: Any) -> None:
    """What an engine's compaction does: other files with the same rows, in a snapshot that knows nothing of us, and
    those before it forgotten."""
    table.overwrite(table.scan().to_arrow())
    now = import_module("datetime").datetime.now()
    table.maintenance.expire_snapshots().older_than(now).commit()
    assert len(table.snapshots()) == 1


def test_a_table_that_was_rolled_back_is_fed_from_there(tmp_path: Path) -> None:
    sink = IcebergSink(tmp_path / "table")
    sink.append("ledger-1", entries(2))
    first = iceberg_table(sink).current_snapshot().snapshot_id
    sink.append("ledger-1", entries(4))
    table = iceberg_table(sink)
    table.manage_snapshots().set_current_snapshot(first).commit()
    assert sink.mark() == Mark("ledger-1", 2)
    sink.append("ledger-1", entries(4))
    assert sum(day.entries for day in sink.days(9)) == 4


def test_a_batch_is_told_by_its_snapshot(tmp_path: Path) -> None:
    sink = IcebergSink(tmp_path / "table")
    sink.append("ledger-1", entries(2))
    summary = iceberg_table(sink).current_snapshot().summary.additional_properties
    assert (summary["genai-cost.ledger-id"], summary["genai-cost.seq"]) == ("ledger-1", "2")
    assert iceberg_table(sink).format_version == 2


def test_a_batch_is_told_by_its_application_transaction(tmp_path: Path) -> None:
    sink = DeltaSink(tmp_path / "table")
    sink.append("ledger-1", entries(2))
    table = delta_table(sink)
    assert table.transaction_version("otel_genai_cost") == 2
    protocol = table.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)  # for old readers


_PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.exporters.entries import entries, with_amount
from tests.exporters.postgresql_server import server
from tests.lakehouse.test_tables import _SINKS
kind, folder, when = sys.argv[1:]
def killed(*args, **named):
    if when == "after":
        commit(*args, **named)
    os.kill(os.getpid(), signal.SIGKILL)
sink = _SINKS[kind](Path(folder))
sink.append("ledger-1", entries(2))
if kind == "iceberg":
    from pyiceberg.catalog.sql import SqlCatalog as place
    name = "commit_table"
else:
    import deltalake as place
    name = "write_deltalake"
commit = getattr(place, name)
setattr(place, name, killed)
sink.append("ledger-1", entries(5))
"""


@pytest.mark.parametrize(("when", "there"), [("before", 2), ("after", 5)])
@pytest.mark.parametrize("kind", _SINKS)
def test_killed_around_its_commit_nothing_is_lost_or_doubled(
    tmp_path: Path, kind: str, when: str, there: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, kind, tmp_path / "table", when],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    sink = _SINKS[kind](tmp_path / "table")
    assert sink.mark() == Mark("ledger-1", there)
    sink.append("ledger-1", entries(5))
    assert sum(day.entries for day in sink.days(5)) == 5


def test_what_is_no_table_is_told(opened: Callable[[], _Sink], tmp_path: Path) -> None:
    opened().append("ledger-1", entries(1))
    log = [*tmp_path.rglob("*.json"), *tmp_path.rglob("*.metadata.json")]
    for one in log:
        one.write_text("{ no table", encoding="utf-8")
    with pytest.raises(GenAICostError, match=str(tmp_path)):
        opened().mark()


def test_a_table_that_accepts_and_then_fails_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog commits, and its answer is lost."""
    catalog = import_module("pyiceberg.catalog.sql").SqlCatalog
    unknown = import_module("pyiceberg.exceptions").CommitStateUnknownException
    commit = catalog.commit_table

    def lost(*args: Any, **named: Any) -> Any:
        commit(*args, **named)
        raise unknown("connection reset")

    sink = IcebergSink(tmp_path / "table")
    sink.append("ledger-1", entries(1))
    monkeypatch.setattr(catalog, "commit_table", lost)
    with pytest.raises(GenAICostError, match="connection reset"):
        sink.append("ledger-1", entries(4))
    monkeypatch.undo()
    assert sink.mark() == Mark("ledger-1", 4)
    sink.append("ledger-1", entries(5))
    assert sum(day.entries for day in sink.days(5)) == 5
