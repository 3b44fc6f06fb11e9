"""Druid reads the topic of entries: what it adds up is the ledger's to the last digit, whatever is killed or reset."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import feed
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.streaming.cloud_event import Message, entry_message
from otel_genai_cost.usage.leaves import COUNT_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES
from otel_genai_exporters.streams.kafka_sink import KafkaSink
from tests.demo.processes import ROOT, wait_until
from tests.exporters.entries import entries
from tests.queues.brokers import Brokers
from tests.streams.corrected import corrected
from tests.streams.druid_ingestion import Ingestion, sums_of
from tests.streams.druid_server import Druid, druid
from tests.streams.topic import Topic

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


class _Stage(NamedTuple):
    druid: Druid
    kafka: str
    ledger: Ledger
    booked: list[Entry]

    def table(self, topic: str) -> Ingestion:
        return Ingestion(self.druid, self.kafka, topic)

    def topic(self, name: str) -> Topic:
        return Topic(self.kafka, name)

    def messages(self, some: Iterable[Entry]) -> list[Message]:
        return [entry_message(one, self.ledger.id) for one in some]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[_Stage]:
    folder = tmp_path_factory.mktemp("druid")
    with ExitStack() as stack:
        running = stack.enter_context(druid(folder / "druid"))
        kafka = Brokers(folder, stack).address("kafka", folder)
        ledger = corrected(folder / "home", calls=1_000)
        yield _Stage(running, kafka, ledger, list(ledger.entries))


def test_corrected_ledger_to_the_last_digit(stage: _Stage, tmp_path: Path) -> None:
    """By the sink, which is given batches again; beside a transaction that is aborted, and others' messages."""
    name, booked = "corrected", stage.booked
    topic = stage.topic(name)
    sink = KafkaSink(tmp_path / "kafka.sqlite", stage.kafka, name)
    sink.append(stage.ledger.id, booked[:1_500])
    topic.send(stage.messages(booked[1_500:2_000]), is_aborted=True)
    topic.send([Message(b"no JSON", {}), Message(b'{"amount":"1","occurred":"x"}', {})])
    sink.append(stage.ledger.id, booked[1_000:2_500])
    sink.close()
    assert feed(stage.ledger, sink) == 1_500
    assert feed(stage.ledger, sink) == 0
    sink.close()
    table = stage.table(name)
    table.start()
    table.wait_for(stage.ledger.id, len(booked))
    assert len(booked) == 4_000
    assert {entry.cause for entry in booked} == {"charged", "rerated"}
    assert table.sums(stage.ledger.id) == sums_of(booked)


def test_top_ten_is_in_the_order_of_the_amounts(stage: _Stage) -> None:
    """Of the same table: every tenant's sum is of entries of which some are below zero."""
    rows = stage.table("corrected").asked("top-10.sql", "USD")
    assert len(rows) == 10
    found = [(row[0], (row[1] * 10**9 + row[2]) * 10**9 + row[3]) for row in rows]
    assert found == _top_ten(stage.booked)
    assert all(row[6] == 0 for row in rows)


def _top_ten(booked: list[Entry]) -> list[tuple[str | None, int]]:
    newest = max(one.occurred_us for one in booked)
    sums: dict[str | None, int] = {}
    for one in booked:
        if one.occurred_us > newest - 900 * 10**6:
            who = one.attribution.tenant
            sums[who] = sums.get(who, 0) + one.amount
    return sorted(sums.items(), key=lambda item: (-item[1], item[0] or ""))[:10]


def test_topic_that_is_filled_anew_counts_once(stage: _Stage, tmp_path: Path) -> None:
    """Of the same topic, which has everything twice then, with the same ids."""
    table = stage.table("corrected")
    sink = KafkaSink(tmp_path / "kafka.sqlite", stage.kafka, "corrected")
    sink.reset()
    assert feed(stage.ledger, sink) == len(stage.booked)
    sink.close()
    wanted = sums_of(stage.booked)
    every = f"SELECT SUM(entries) FROM {table.table}"

    def is_there() -> bool:
        is_twice = stage.druid.sql(every) == [[2 * len(stage.booked)]]
        return is_twice and table.sums(stage.ledger.id) == wanted

    wait_until(is_there, "entries to come again", 240, stage.druid.processes)


_FAR = (1, -1, ATTO + 1, -(ATTO + 1), 10**9, -(10**9) - 1, 9 * 10**35 + 1, -(9 * 10**35), 0)


def test_any_amount_is_whole_and_what_is_not_read_is_counted(stage: _Stage) -> None:
    """Each amount stands alone, and all together; int64 would end at 9.22 units."""
    name, (one,) = "far", entries(1)
    some = [one._replace(lines=(), amount=amount, model=f"m{amount}") for amount in _FAR]
    too_far = one._replace(lines=(), amount=10**36, model="too far")
    messages = stage.messages(some)
    newer = {**messages[0].headers, "ce_type": b"otel_genai_cost.entry.v2"}
    topic = stage.topic(name)
    topic.send([*messages, *stage.messages([too_far]), messages[0]._replace(headers=newer)])
    table = stage.table(name)
    table.start()
    table.wait_for(stage.ledger.id, len(some) + 2)
    rows = stage.druid.sql(
        "SELECT model, SUM(amount_whole), SUM(amount_nine), SUM(amount_eighteen), SUM(price_whole), SUM(price_nine),"
        f" SUM(price_eighteen), SUM(unread) FROM {table.table} GROUP BY model"
    )
    found = {row[0]: row[1:] for row in rows}
    for entry in some[1:]:
        whole, nine, eighteen, *price, unread = found[entry.model]
        assert (whole * 10**9 + nine) * 10**9 + eighteen == entry.amount
        assert price == [whole, nine, eighteen]
        assert unread == 0
    assert found["m1"][-1] == 1, "a newer version's is counted as not read"
    assert found["too far"][-1] == 1
    (day,) = table.asked("by-day.sql", stage.ledger.id)
    assert day[2:4] == [len(some) + 2, 2]


def test_indexer_killed_in_mid_batch(stage: _Stage) -> None:
    """It goes on from the offsets that stand in one transaction with what it has stored."""
    name, booked = "killed", stage.booked
    topic = stage.topic(name)
    topic.send(stage.messages(booked[:1_000]))
    table = stage.table(name)
    table.start()
    table.wait_for(stage.ledger.id, 1_000)
    topic.send(stage.messages(booked[1_000:2_500]))
    stage.druid.kill("indexer")
    topic.send(stage.messages(booked[2_500:]))
    stage.druid.start("indexer")
    stage.druid.wait_for("indexer")
    table.wait_for(stage.ledger.id, len(booked))
    assert table.sums(stage.ledger.id) == sums_of(booked)


def test_offsets_are_reset_after_the_table_is_emptied(stage: _Stage) -> None:
    """A suspended supervisor stores what it has and goes on after it; a reset one begins anew, in an empty table."""
    name, booked = "begun-anew", stage.booked
    topic = stage.topic(name)
    topic.send(stage.messages(booked[:3_000]))
    table = stage.table(name)
    table.start()
    table.wait_for(stage.ledger.id, 3_000)
    table.command("suspend")
    wait_until(table.is_suspended, "tasks to end", 240, stage.druid.processes)
    table.command("resume")
    topic.send(stage.messages(booked[3_000:]))
    table.wait_for(stage.ledger.id, len(booked))
    assert table.sums(stage.ledger.id) == sums_of(booked)
    table.command("suspend")
    wait_until(table.is_suspended, "tasks to end", 240, stage.druid.processes)
    table.empty()
    table.command("reset")
    table.command("resume")
    table.wait_for(stage.ledger.id, len(booked))
    assert table.sums(stage.ledger.id) == sums_of(booked)


def test_every_leaf_has_a_column() -> None:
    spec = json.loads((ROOT / "stream-config" / "druid" / "supervisor.json").read_text("utf-8"))
    columns = {one["name"] for one in spec["spec"]["dataSchema"]["metricsSpec"]}
    leaves = (*INPUT_LEAVES, *OUTPUT_LEAVES, *COUNT_LEAVES)
    assert {name for name in columns if name.startswith("usage_")} == {
        f"usage_{leaf}" for leaf in leaves
    }
