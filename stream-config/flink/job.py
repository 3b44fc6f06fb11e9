"""Settlement as a job of Flink: observations on one topic of Kafka become entries on another, exactly once.

Usage: flink run -py job.py --config settlement.toml

What is decided and posted is `otel_genai_cost.streaming.keyed`, the ledger's own functions; here is how Flink runs
them.
"""

# PyFlink says nothing of its types, and is installed where the job runs alone.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pyflink.common import Row, TypeInformation, Types
from pyflink.datastream import (
    DataStream,
    KeyedProcessFunction,
    OutputTag,
    ProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
)
from pyflink.datastream.state import ListStateDescriptor, MapState, MapStateDescriptor
from pyflink.table import DataTypes, Schema, StreamTableEnvironment, TableDescriptor

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.codec import decode
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.ledger.rerating.active_terms import Terms
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.storage.validate import is_valid
from otel_genai_cost.pricing.load import read_lock
from otel_genai_cost.streaming.cloud_event import (
    Event,
    ForeignMessageError,
    Message,
    entry_message,
    event_in,
    observation_in,
    unlink_in,
)
from otel_genai_cost.streaming.job_file import job_values
from otel_genai_cost.streaming.keyed import Keyed, look_us, ripe_us
from otel_genai_cost.streaming.partition import PARTITIONS, PartitionBy, key_of
from otel_genai_cost.streaming.state import BufferedState

_HEADERS: Final = DataTypes.MAP(DataTypes.STRING().not_null(), DataTypes.BYTES())


class Config(NamedTuple):
    """What `settlement.toml` says; see there."""

    servers: str
    observations: str
    entries: str
    refused: str
    group: str
    ledger_id: str
    partition_by: PartitionBy
    quiet_after_s: int
    look_every_s: int
    contracts: str | None = None
    books: str | None = None
    rate_by: str | None = None
    kafka: Mapping[str, str] = {}


_KINDS: Final = {"quiet_after_s": int, "look_every_s": int, "kafka": dict}
"""What is no text in it."""


def load_config(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        ConfigurationError: if it is none.
    """
    needed = Config._fields[: -len(Config._field_defaults)]
    config = Config(**job_values(path, needed, Config._field_defaults, _KINDS))
    if config.partition_by not in PARTITIONS:
        raise ConfigurationError(
            f"{path}: partition_by is {config.partition_by!r}; it can be {' or '.join(PARTITIONS)}"
        )
    if config.look_every_s < 1:
        raise ConfigurationError(f"{path}: look_every_s is {config.look_every_s}; 1 is the least")
    return config


# Types of Flink hold on to its Java side once they were used, so operators, which are pickled, make their own.


def _bytes() -> TypeInformation:
    return Types.PRIMITIVE_ARRAY(Types.BYTE())


def _message() -> TypeInformation:
    parts = [_bytes(), _bytes(), Types.MAP(Types.STRING(), _bytes())]
    return Types.ROW_NAMED(["key", "value", "headers"], parts)


def _taken() -> TypeInformation:
    """Of an event: its key, when it was sent (unix milliseconds), when it is ripe (microseconds), its kind and data."""
    return Types.TUPLE([Types.STRING(), Types.LONG(), Types.LONG(), Types.STRING(), _bytes()])


def _refusals() -> OutputTag:
    return OutputTag("refused", _message())


class Read(ProcessFunction):
    """From messages to what they say, and its keys; what makes no sense goes aside, with the reason."""

    def __init__(self, partition_by: PartitionBy) -> None:
        self._partition_by: PartitionBy = partition_by

    def open(self, runtime_context: RuntimeContext) -> None:
        self._refusals = _refusals()

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> Iterator[Any]:
        data, headers = value[0], value[1] or {}
        if headers.get("tick") is not None:
            return
        message, sent_ms = Message(data or b"", headers), ctx.timestamp()
        try:
            event = event_in(message)
            if event.kind == "observation":
                yield self._observation(event, sent_ms)
            elif event.kind == "unlink":
                yield self._unlink(event, sent_ms)
        except ForeignMessageError as error:
            yield self._refusals, _row(_refused(message, str(error)))

    def _observation(self, event: Event, sent_ms: int) -> tuple[Any, ...]:
        one = observation_in(event)
        if not is_valid(one):
            raise ForeignMessageError("an observation that cannot be settled: malformed")
        at_us = ripe_us(one.end_us, sent_ms * 1_000)
        key = key_of(one.origin.cell, one.trace_id, self._partition_by)
        return key, sent_ms, at_us, event.kind, event.data

    def _unlink(self, event: Event, sent_ms: int) -> tuple[Any, ...]:
        one = unlink_in(event)
        key = key_of(one.cell, one.trace_id, self._partition_by)
        return key, sent_ms, sent_ms * 1_000, event.kind, event.data


class Settle(KeyedProcessFunction):
    """One key: what comes is put by, and taken and settled together when the first of it is ripe. As long as there is
    anything of it, it wakes now and then, to be rated again where the job was begun with other terms."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def open(self, runtime_context: RuntimeContext) -> None:
        self._refusals = _refusals()
        self._terms = _terms(self._config)
        self._books = Books([] if self._config.books is None else [Path(self._config.books)])
        self._come = runtime_context.get_list_state(
            ListStateDescriptor("come", Types.PICKLED_BYTE_ARRAY())
        )
        kept = MapStateDescriptor("kept", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._kept = runtime_context.get_map_state(kept)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> None:
        _, sent_ms, at_us, kind, data = value
        self._come.add((sent_ms, kind, data))
        self._wake(ctx, at_us)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        state = BufferedState(_FlinkState(self._kept))
        keyed = Keyed(state, self._books.rate_again, self._terms.contracts)
        now_us = timestamp * 1_000
        unlinked = list[str]()
        for sent_ms, kind, data in self._come.get():
            if kind == "unlink":
                unlinked.append(decode(data)["observation_id"])
                continue
            reason = keyed.take(decode(data), sent_ms * 1_000)
            if reason is not None:
                yield self._refusals, _row(_refused(Message(data, {}), reason))
        self._come.clear()
        for entry in keyed.post(self._terms.book, self._books, unlinked, now_us):
            yield _row(entry_message(entry, self._config.ledger_id, entry.charge_id))
        if (due_us := keyed.due_us()) is not None:
            look = look_us(ctx.get_current_key(), now_us, self._config.look_every_s * 1_000_000)
            self._wake(ctx, min(due_us, look))
        state.write()

    def _wake(self, ctx: KeyedProcessFunction.Context, at_us: int) -> None:
        """At the next whole second: all that is ripe then is settled together. Never in the past, so that a timer says
        what time it is for the stream."""
        timers = ctx.timer_service()
        at_ms = -(-at_us // 1_000_000) * 1_000
        timers.register_event_time_timer(max(at_ms, timers.current_watermark() + 1))


def _terms(config: Config) -> Terms:
    book = (
        None
        if config.rate_by is None
        else read_lock(Path(config.rate_by).read_bytes(), config.rate_by)
    )
    contracts = LIST_PRICES if config.contracts is None else load_contracts(Path(config.contracts))
    return Terms(book, contracts)


class _FlinkState:
    """`streaming.state.State` in a map state."""

    def __init__(self, kept: MapState) -> None:
        self._kept = kept

    def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    def expect(self, keys: Iterable[str]) -> None:
        """Each is a call away."""

    def put(self, key: str, value: bytes) -> None:
        self._kept.put(key, value)

    def delete(self, key: str) -> None:
        self._kept.remove(key)


def _row(message: Message) -> Row:
    return Row(message.key.encode(), message.value, dict(message.headers))


def _refused(message: Message, reason: str) -> Message:
    """The same message, with the reason beside it."""
    return message._replace(headers={**message.headers, "refused": reason.encode()})


def _kafka(config: Config, topic: str, **usual: str) -> TableDescriptor.Builder:
    """A topic. What the configuration says of Kafka's client goes before what it usually is."""
    found = TableDescriptor.for_connector("kafka").option("topic", topic)
    found = found.option("properties.bootstrap.servers", config.servers)
    for name, value in {**usual, **config.kafka}.items():
        found = found.option(f"properties.{name}", value)
    return found


def _source(tables: StreamTableEnvironment, config: Config) -> DataStream:
    """The topic, in the time in which it was sent; and a tick a second, so that time goes by while nobody sends."""
    schema = (
        Schema.new_builder()
        .column("value", DataTypes.BYTES())
        .column_by_metadata("headers", _HEADERS)
        .column_by_metadata("sent", DataTypes.TIMESTAMP_LTZ(3), "timestamp")
        .watermark("sent", "sent - INTERVAL '0.001' SECOND")
    )
    source = (
        _kafka(config, config.observations)
        .schema(schema.build())
        .option("properties.group.id", config.group)
        .option("properties.isolation.level", "read_committed")
        .option("scan.startup.mode", "earliest-offset")
        .option("scan.watermark.idle-timeout", f"{config.quiet_after_s} s")
        .format("raw")
    )
    tables.create_temporary_table("observations", source.build())
    ticks = (
        TableDescriptor.for_connector("datagen")
        .schema(
            Schema.new_builder()
            .column("n", DataTypes.INT())
            .column_by_expression("sent", "CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(3))")
            .watermark("sent", "sent")
            .build()
        )
        .option("rows-per-second", "1")
    )
    tables.create_temporary_table("ticks", ticks.build())
    both = tables.sql_query(
        "SELECT `value`, headers, sent FROM observations UNION ALL"
        " SELECT CAST(NULL AS BYTES), MAP['tick', CAST('' AS BYTES)], sent FROM ticks"
    )
    return tables.to_data_stream(both)


def _sink(tables: StreamTableEnvironment, config: Config, name: str, topic: str) -> None:
    schema = (
        Schema.new_builder()
        .column("key", DataTypes.BYTES())
        .column("value", DataTypes.BYTES())
        .column_by_metadata("headers", _HEADERS)
    )
    sink = (
        _kafka(config, topic, **{"transaction.timeout.ms": "900000"})
        .schema(schema.build())
        .option("key.format", "raw")
        .option("key.fields", "key")
        .option("value.format", "raw")
        .option("value.fields-include", "EXCEPT_KEY")
        .option("sink.delivery-guarantee", "exactly-once")
        .option("sink.transactional-id-prefix", f"{config.group}-{name}")
    )
    tables.create_temporary_table(name, sink.build())


def run(config: Config) -> None:
    """Submit the job."""
    environment = StreamExecutionEnvironment.get_execution_environment()
    tables = StreamTableEnvironment.create(environment)
    _sink(tables, config, "entries", config.entries)
    _sink(tables, config, "refused", config.refused)
    read = (
        _source(tables, config)
        .process(Read(config.partition_by), output_type=_taken())
        .name("read")
    )
    settled = (
        read.key_by(lambda taken: taken[0], key_type=Types.STRING())
        .process(Settle(config), output_type=_message())
        .name("settle")
    )
    refused = read.get_side_output(_refusals()).union(settled.get_side_output(_refusals()))
    row = Schema.new_builder().column("key", DataTypes.BYTES()).column("value", DataTypes.BYTES())
    rows = row.column("headers", _HEADERS).build()
    statements = tables.create_statement_set()
    statements.add_insert("entries", tables.from_data_stream(settled, rows))
    statements.add_insert("refused", tables.from_data_stream(refused, rows))
    statements.attach_as_datastream()
    environment.execute("genai-cost settlement")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="settlement.toml")
    try:
        run(load_config(parser.parse_args().config))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
