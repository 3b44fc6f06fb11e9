"""What every sink keeps to. A new sink is a line in SINKS; the suite does the rest."""

from __future__ import annotations

from collections.abc import Callable, Generator
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path

import duckdb
import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.day_sums import ByTenant, Verifiable, day_sums
from otel_genai_cost.ledger.sink import GROUP, Mark, Queryable, Sink, load_sink
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.testing.memory import MemorySink
from otel_genai_exporters.clickhouse import ClickHouseSink
from otel_genai_exporters.duckdb import DuckDBSink
from otel_genai_exporters.hourly.sink import ParquetSink
from otel_genai_exporters.lakehouse.delta import DeltaSink
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from otel_genai_exporters.otlp.metrics_sink import OtlpMetricsSink
from otel_genai_exporters.otlp.sink import OtlpSink
from otel_genai_exporters.postgresql import PostgresqlSink
from otel_genai_exporters.streams.kafka_reading import every_message
from otel_genai_exporters.streams.kafka_sink import KafkaSink
from tests.exporters.embedded_clickhouse import NEEDS_CHDB, clickhouse_in
from tests.exporters.entries import entries, with_amount
from tests.exporters.otlp_receiver import Receiver, by_grpc
from tests.exporters.postgresql_server import asked
from tests.queues.brokers import Brokers

SINKS: dict[str, Callable[[Path], Sink]] = {
    "memory": lambda folder: MemorySink(),
    "duckdb": lambda folder: DuckDBSink(folder / "charges.duckdb"),
    "parquet": lambda folder: ParquetSink(folder / "state", str(folder / "files")),
    "otlp": lambda folder: OtlpSink(folder / "otlp.sqlite"),
    "otlp_metrics": lambda folder: OtlpMetricsSink(folder / "otlp_metrics.sqlite", series_max=1),
    "iceberg": lambda folder: IcebergSink(folder / "iceberg"),
    "delta": lambda folder: DeltaSink(folder / "delta"),
}
EMBEDDED: dict[str, Callable[[Path], Sink]] = {"clickhouse": clickhouse_in}
"""Of an engine that is installed in an environment of its own, where this suite is run as well."""

SERVED: dict[str, Callable[[Path, str], Sink]] = {
    "postgresql": lambda folder, address: PostgresqlSink(folder / "postgresql.sqlite", address),
    "kafka": lambda folder, address: KafkaSink(folder / "kafka.sqlite", address, folder.name),
}
"""Sinks of a server that `tests.queues.brokers` starts; each gets an address of one that is empty."""
_NEEDED: dict[str, str] = {"iceberg": "pyiceberg", "delta": "deltalake"}
"""Libraries that are too large for every machine: `tests/environments/test_lakehouse.py` runs these where they are."""

_Count = Callable[[Sink], int]


@pytest.fixture(
    params=[
        *SINKS,
        *(pytest.param(one, marks=NEEDS_CHDB) for one in EMBEDDED),
        *(pytest.param(one, marks=pytest.mark.service) for one in SERVED),
    ]
)
def sink(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> Generator[Sink]:
    if request.param in _NEEDED:
        pytest.importorskip(_NEEDED[request.param])
    if request.param in SERVED:
        servers: Brokers = request.getfixturevalue("servers")
        address = servers.address(request.param, Path("/usr/bin"))
        found = SERVED[request.param](tmp_path, address)
    else:
        found = {**SINKS, **EMBEDDED}[request.param](tmp_path)
    yield found
    found.close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Generator[Receiver]:
    with by_grpc() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        yield found


@pytest.fixture
def count(receiver: Receiver) -> _Count:
    """How many entries a sink has of the ledger that feeds it."""

    def of(sink: Sink) -> int:
        if isinstance(sink, MemorySink):
            return len(sink.entries)
        if isinstance(sink, ParquetSink):
            return sum(file.entries for file in sink.files())
        if isinstance(sink, OtlpSink):
            mark = sink.mark()
            return receiver.count_of(mark.ledger_id if mark else "")
        if isinstance(sink, OtlpMetricsSink):
            sink.publish()
            return int(receiver.net("calls"))
        if isinstance(sink, ClickHouseSink):
            return int(sink._to.rows("SELECT count() FROM {database}.entries")[0][0])
        if isinstance(sink, KafkaSink):
            return _on_topic(sink)
        if isinstance(sink, PostgresqlSink):
            return int(asked(sink, "SELECT count(*) FROM entries")[0][0])
        if not isinstance(sink, Queryable):
            assert isinstance(sink, Verifiable)
            return sum(day.entries for day in sink.days(1_000_000))
        return int(sink.query("SELECT count(*) FROM entries").rows[0][0])

    return of


def _on_topic(sink: KafkaSink) -> int:
    """The entries that are committed of the ledger that feeds it: a topic forgets nothing, so that they may be there
    more than once."""
    mark = sink.mark()
    assert mark is not None
    source = f"/ledgers/{mark.ledger_id}".encode()
    found = (dict(one.headers()) for one in every_message(sink.topic))
    return len({headers["ce_id"] for headers in found if headers["ce_source"] == source})


def test_an_empty_sink_has_no_mark(sink: Sink) -> None:
    assert sink.mark() is None


def test_mark_is_the_last_entry(sink: Sink) -> None:
    sink.append("ledger-1", entries(3))
    assert sink.mark() == Mark("ledger-1", 3)
    sink.append("ledger-1", entries(2, first=4))
    assert sink.mark() == Mark("ledger-1", 5)


def test_batch_that_comes_again_changes_nothing(sink: Sink, count: _Count) -> None:
    batch = entries(4)
    sink.append("ledger-1", batch)
    sink.append("ledger-1", batch[2:] + entries(1, first=5))
    assert sink.mark() == Mark("ledger-1", 5)
    assert count(sink) == 5


def test_empty_batch_is_nothing(sink: Sink) -> None:
    sink.append("ledger-1", [])
    assert sink.mark() is None


def test_reset_forgets_everything(sink: Sink, count: _Count) -> None:
    sink.append("ledger-1", entries(3))
    sink.reset()
    assert sink.mark() is None
    sink.append("ledger-2", entries(1))
    assert sink.mark() == Mark("ledger-2", 1)
    assert count(sink) == 1


def test_days_are_those_of_the_entries_up_to_a_number(sink: Sink) -> None:
    if not isinstance(sink, Verifiable):
        pytest.skip("it cannot be asked")
    assert list(sink.days(9)) == []
    day_us = 86_400_000_000
    every = [
        *(one._replace(occurred_us=(20_000 + one.seq // 3) * day_us - 1) for one in entries(7)),
        *entries(3, first=8, tenant_id="globex"),
        *(one._replace(currency="EUR", amount=-one.amount) for one in entries(2, first=11)),
    ]
    sink.append("ledger-1", every)
    for upto_seq in (1, 6, 12, 99):
        assert sorted(sink.days(upto_seq)) == sorted(day_sums(every, upto_seq))
    if isinstance(sink, ByTenant):
        assert sorted(sink.tenant_days(12)) == sorted(day_sums(every, 12, by_tenant=True))


def test_close_may_be_called_twice(sink: Sink) -> None:
    sink.close()
    sink.close()


@pytest.fixture
def duckdb_sink(tmp_path: Path) -> DuckDBSink:
    return DuckDBSink(tmp_path / "charges.duckdb")


@pytest.mark.parametrize("atto", [1, -1, 10**18 + 1, -(9 * 10**37 + 1), 9_223_372_036_854_775_808])
def test_money_is_exact_to_the_last_of_eighteen_places(duckdb_sink: DuckDBSink, atto: int) -> None:
    duckdb_sink.append("ledger-1", [with_amount(entries(1)[0], atto)])
    ((amount,),) = duckdb_sink.query("SELECT amount FROM entries").rows
    assert isinstance(amount, Decimal)
    assert parse_money(amount) == atto


@pytest.mark.parametrize(
    "name", ["a'; DROP TABLE entries; --", 'quo"te', "日本", "new\nline", "\\"]
)
def test_any_text_survives(duckdb_sink: DuckDBSink, name: str) -> None:
    entry = entries(1)[0]._replace(model=name)
    duckdb_sink.append("ledger-1", [entry])
    assert duckdb_sink.query("SELECT model FROM entries").rows == [(name,)]


def test_columns_that_reports_group_by(duckdb_sink: DuckDBSink) -> None:
    duckdb_sink.append("ledger-1", entries(1))
    ((tenant_id, plan, occurred, input_tokens, output_tokens),) = duckdb_sink.query(
        "SELECT tenant, plan, occurred, input_tokens, output_tokens FROM entries"
    ).rows
    assert (tenant_id, plan, input_tokens, output_tokens) == ("acme", "pro", 11, 3)
    assert occurred.isoformat() == "2026-11-18T11:06:41"


def test_file_that_is_no_store_is_told_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "charges.duckdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(Exception, match="the next `genai-cost ship` fills it again"):
        DuckDBSink(path).mark()


def test_file_that_a_writer_only_began_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "charges.duckdb"
    duckdb.connect(str(path)).close()  # killed before it made the tables
    sink = DuckDBSink(path)
    assert sink.mark() is None
    assert sink.query("SELECT count(*) FROM entries").rows == [(0,)]
    sink.append("ledger-1", entries(2))
    assert sink.mark() == Mark("ledger-1", 2)


def test_entry_that_does_not_fit_is_an_error_of_ours_and_changes_nothing(
    duckdb_sink: DuckDBSink,
) -> None:
    duckdb_sink.append("ledger-1", entries(1))
    with pytest.raises(GenAICostError, match=r"charges\.duckdb"):
        duckdb_sink.append("ledger-1", [with_amount(entries(1, first=2)[0], 10**38)])
    assert duckdb_sink.mark() == Mark("ledger-1", 1)


def test_unknown_sink_is_refused() -> None:
    names = ", ".join(sorted(entry_points(group=GROUP).names))
    assert "duckdb" in names
    with pytest.raises(ConfigurationError, match=f"installed: {names}"):
        load_sink("parchment")


def test_registered_sink_is_found(tmp_path: Path) -> None:
    assert isinstance(load_sink("duckdb", path=tmp_path / "x.duckdb"), DuckDBSink)
