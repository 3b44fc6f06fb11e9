"""Entries from a topic of Kafka into an Iceberg table as a job of Flink, exactly once.

Usage: flink run -py iceberg.py --config iceberg.toml

The columns are those of the sinks (`entry_columns`), worked out by the same function. Positions in the topic, the ids
that came and the rows are one transaction at each checkpoint.
"""

# PyFlink says nothing of its types, and is installed where the job runs alone.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pyflink.common import Row, TypeInformation, Types
from pyflink.datastream import (
    OutputTag,
    ProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.table import Schema, StreamTableEnvironment

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.streaming.cloud_event import (
    ForeignMessageError,
    Message,
    entry_in,
    event_in,
)
from otel_genai_cost.streaming.job_file import job_values
from otel_genai_exporters.entry_columns import COLUMNS, typed
from otel_genai_exporters.unfit import row_in

_YEARS: Final = (1, 10_000)
_TABLE_TYPES: Final = typed(
    {
        "text": "STRING",
        "integer": "INT",
        "bigint": "BIGINT",
        "money": "DECIMAL(38, 18)",
        "instant": "TIMESTAMP_LTZ(6)",
    }
)
_TABLE_PROPERTIES: Final = {"format-version": "2", "write.parquet.compression-codec": "zstd"}
_MESSAGE_COLUMNS: Final = "`key` BYTES, `value` BYTES, headers MAP<STRING NOT NULL, BYTES> METADATA"


class Config(NamedTuple):
    """What `iceberg.toml` says; see there."""

    servers: str
    entries: str
    refused: str
    group: str
    table: str
    known_for_days: int
    catalog: Mapping[str, str]
    kafka: Mapping[str, str] = {}


_KINDS: Final = {"known_for_days": int, "catalog": dict, "kafka": dict}
"""What is no text in it."""


def load_config(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        ConfigurationError: if it is none.
    """
    needed = Config._fields[: -len(Config._field_defaults)]
    config = Config(**job_values(path, needed, Config._field_defaults, _KINDS))
    if config.table.count(".") != 1:
        raise ConfigurationError(f"{path}: table is {config.table!r}; it must be namespace.name")
    return config


# Types of Flink hold on to its Java side once they were used, so operators, which are pickled, make their own.


def _message() -> TypeInformation:
    data = Types.PRIMITIVE_ARRAY(Types.BYTE())
    return Types.ROW_NAMED(
        ["key", "value", "headers"], [data, data, Types.MAP(Types.STRING(), data)]
    )


def _columns() -> TypeInformation:
    """Whole numbers as they are; amounts and instants as the text that stands for them exactly."""
    kinds = {"integer": Types.INT(), "bigint": Types.LONG()}
    return Types.ROW_NAMED(
        [*COLUMNS], [kinds.get(kind, Types.STRING()) for kind in COLUMNS.values()]
    )


def _refusals() -> OutputTag:
    return OutputTag("refused", _message())


class Read(ProcessFunction):
    """From messages to the columns of entries; what is no entry goes aside, with the reason."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self._refusals = _refusals()

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> Iterator[Any]:
        key, data, headers = value
        message = Message(data or b"", headers or {})
        try:
            event = event_in(message)
            if event.kind != "entry":
                return
            row = row_in(entry_in(event), _YEARS)
        except ForeignMessageError as error:
            row = str(error)
        if isinstance(row, str):
            yield self._refusals, Row(key, data, {**message.headers, "refused": row.encode()})
        else:
            yield Row(*map(row.get, COLUMNS))


def _options(given: Mapping[str, str]) -> str:
    """As a statement takes them."""
    return ", ".join(f"{_text(name)} = {_text(value)}" for name, value in given.items())


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _topic(config: Config, topic: str, **own: str) -> str:
    """The options of a table that is a topic. What the configuration says of Kafka's client goes first."""
    client = {"bootstrap.servers": config.servers, **own, **config.kafka}
    return _options(
        {
            "connector": "kafka",
            "topic": topic,
            "key.format": "raw",
            "key.fields": "key",
            "value.format": "raw",
            "value.fields-include": "EXCEPT_KEY",
            **{f"properties.{name}": value for name, value in client.items()},
        }
    )


def _make_tables(tables: StreamTableEnvironment, config: Config) -> None:
    source = _topic(
        config,
        config.entries,
        **{"group.id": config.group, "isolation.level": "read_committed"},
    )
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE messages ({_MESSAGE_COLUMNS})"
        f" WITH ({source}, 'scan.startup.mode' = 'earliest-offset')"
    )
    refused = _topic(config, config.refused, **{"transaction.timeout.ms": "900000"})
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE refused ({_MESSAGE_COLUMNS}) WITH ({refused},"
        " 'sink.delivery-guarantee' = 'exactly-once',"
        f" 'sink.transactional-id-prefix' = {_text(f'{config.group}-refused')})"
    )
    namespace, _, _ = config.table.partition(".")
    columns = ", ".join(f"`{name}` {kind}" for name, kind in _TABLE_TYPES.items())
    tables.execute_sql(
        f"CREATE CATALOG lake WITH ({_options({'type': 'iceberg', **config.catalog})})"
    )
    tables.execute_sql(f"CREATE DATABASE IF NOT EXISTS lake.`{namespace}`")
    tables.execute_sql(
        f"CREATE TABLE IF NOT EXISTS {_lake_table(config)} ({columns})"
        f" WITH ({_options(_TABLE_PROPERTIES)})"
    )


def _lake_table(config: Config) -> str:
    namespace, _, name = config.table.partition(".")
    return f"lake.`{namespace}`.`{name}`"


def _first_of_each_id(config: Config) -> str:
    """Rows of what came. A settlement that was begun anew tells its entries again, with the same ids."""
    columns = ", ".join(f"`{name}`" for name in COLUMNS)
    cast = ", ".join(f"CAST(`{name}` AS {kind})" for name, kind in _TABLE_TYPES.items())
    return (
        f"INSERT INTO {_lake_table(config)} ({columns}) SELECT {cast} FROM ("
        "SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY came ASC) AS nth FROM come"
        ") WHERE nth = 1"
    )


def run(config: Config) -> None:
    """Submit the job."""
    environment = StreamExecutionEnvironment.get_execution_environment()
    tables = StreamTableEnvironment.create(environment)
    tables.get_config().set_local_timezone("UTC")
    tables.get_config().set("table.exec.state.ttl", f"{config.known_for_days} d")
    _make_tables(tables, config)
    messages = tables.to_data_stream(tables.from_path("messages"))
    read = messages.process(Read(), output_type=_columns()).name("read")
    tables.create_temporary_view("refusals", read.get_side_output(_refusals()))
    came = Schema.new_builder().column_by_expression("came", "PROCTIME()").build()
    tables.create_temporary_view("come", read, came)
    statements = tables.create_statement_set()
    statements.add_insert_sql(_first_of_each_id(config))
    statements.add_insert_sql(
        "INSERT INTO refused (`key`, `value`, headers) SELECT `key`, `value`, headers FROM refusals"
    )
    statements.attach_as_datastream()
    environment.execute("genai-cost entries into Iceberg")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="iceberg.toml")
    try:
        run(load_config(parser.parse_args().config))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
