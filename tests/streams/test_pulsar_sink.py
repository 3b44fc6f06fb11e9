"""The sink of Pulsar, against the real one: what every sink keeps to, and each entry once; `tests/faults` kill it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from itertools import count as numbers
from pathlib import Path

import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.day_sums import day_sums
from otel_genai_cost.ledger.sink import Mark, Sink
from otel_genai_exporters.streams.pulsar_broker import PulsarBroker
from otel_genai_exporters.streams.pulsar_client import OPTIONS
from otel_genai_exporters.streams.pulsar_sink import PulsarSink
from otel_genai_exporters.streams.topic_sink import KEY
from tests.exporters.entries import entries
from tests.exporters.test_sink_contract import (
    test_an_empty_sink_has_no_mark,
    test_batch_that_comes_again_changes_nothing,
    test_close_may_be_called_twice,
    test_empty_batch_is_nothing,
    test_mark_is_the_last_entry,
    test_reset_forgets_everything,
)
from tests.streams.pulsar_server import Pulsar, admin, pulsar
from tests.streams.pulsar_topic import PulsarTopic

__all__ = [
    "test_an_empty_sink_has_no_mark",
    "test_batch_that_comes_again_changes_nothing",
    "test_close_may_be_called_twice",
    "test_empty_batch_is_nothing",
    "test_mark_is_the_last_entry",
    "test_reset_forgets_everything",
]

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

_NUMBERS = numbers(1)
_LEDGER = "ledger-1"


@pytest.fixture
def topic(pulsar_server: Pulsar) -> PulsarTopic:
    return PulsarTopic(pulsar_server.url, f"entries-{next(_NUMBERS)}")


@pytest.fixture
def sink(topic: PulsarTopic, tmp_path: Path) -> Generator[PulsarSink]:
    found = PulsarSink(tmp_path / "pulsar.sqlite", topic.name, url=topic.url)
    yield found
    found.close()


@pytest.fixture
def count(topic: PulsarTopic) -> Callable[[Sink], int]:
    def of(sink: Sink) -> int:
        mark = sink.mark()
        return len(topic.entries(mark.ledger_id)) if mark else 0

    return of


def test_entries_arrive_as_they_were_booked(sink: PulsarSink, topic: PulsarTopic) -> None:
    booked = entries(700)
    sink.append(_LEDGER, booked[:650])
    sink.append(_LEDGER, booked[600:])
    assert topic.entries(_LEDGER) == booked
    assert [one.key for one in topic.messages()] == [one.charge_id for one in booked]


def test_days_are_those_of_the_entries(sink: PulsarSink) -> None:
    booked = entries(60)
    assert sink.days(60) == []
    sink.append(_LEDGER, booked)
    sink.reset()
    sink.append(_LEDGER, booked)
    assert sink.days(50) == day_sums(booked, 50)
    assert sink.tenant_days(60) == day_sums(booked, 60, by_tenant=True)


def test_no_batch_is_taken_for_the_one_before(pulsar_server: Pulsar, tmp_path: Path) -> None:
    """A producer that fences off others is told twice that it may send, and that may be after its first batch."""
    booked = entries(60)
    for number in range(12):
        topic = PulsarTopic(pulsar_server.url, f"entries-{next(_NUMBERS)}")
        sink = PulsarSink(tmp_path / f"{number}.sqlite", topic.name, url=topic.url)
        sink.append(_LEDGER, booked[:30])
        sink.append(_LEDGER, booked[30:])
        assert sink.days(60) == day_sums(booked, 60)
        sink.close()


def test_refill_is_told_from_what_was_there(sink: PulsarSink, topic: PulsarTopic) -> None:
    booked = entries(40)
    sink.append(_LEDGER, booked)
    sink.reset()
    assert sink.mark() is None
    sink.append(_LEDGER, booked)
    assert len(topic.messages()) == 80
    assert topic.entries(_LEDGER) == booked


def test_other_peoples_messages_are_nothing(
    sink: PulsarSink, topic: PulsarTopic, pulsar_server: Pulsar
) -> None:
    """Those that came before; a producer fences off others while it has the topic."""
    _another(topic, b"something else")
    booked = entries(10)
    sink.append(_LEDGER, booked[:5])
    sink.close()
    _another(topic, b"something else")
    sink.append(_LEDGER, booked[5:])
    assert topic.entries(_LEDGER) == booked


def _another(topic: PulsarTopic, value: bytes) -> None:
    from otel_genai_cost.streaming.cloud_event import Message

    producer = PulsarBroker(topic.name, url=topic.url).producer()
    producer.send([Message(value, {"ce_type": b"com.example.order"}, "k")])
    producer.close()


def test_partitions_have_every_entry_once(pulsar_server: Pulsar, tmp_path: Path) -> None:
    """Though the position was lost on the way, of what had come to some partitions."""
    name = f"entries-{next(_NUMBERS)}"
    admin(pulsar_server, f"persistent/public/default/{name}/partitions", 3)
    topic = PulsarTopic(pulsar_server.url, name)
    booked = entries(300)
    sink = PulsarSink(tmp_path / "a.sqlite", name, url=topic.url)
    sink.append(_LEDGER, booked[:100])
    sink._put = _lost  # type: ignore[method-assign]
    with pytest.raises(GenAICostError, match="lost"):
        sink.append(_LEDGER, booked[100:250])
    again = PulsarSink(tmp_path / "b.sqlite", name, url=topic.url)
    assert again.mark() == Mark(_LEDGER, 100)
    again.append(_LEDGER, booked[100:])
    assert again.mark() == Mark(_LEDGER, 300)
    again.close()
    assert sorted(one.seq for one in topic.entries(_LEDGER)) == list(range(1, 301))


def _lost(state: object) -> None:
    raise GenAICostError("lost")


def test_entry_that_is_too_large_is_set_aside(sink: PulsarSink, topic: PulsarTopic) -> None:
    booked = entries(5)
    large = booked[2]._replace(service=os.urandom(5 << 20).hex())
    batch = [*booked[:2], large, *booked[3:]]
    for _ in range(2):
        with pytest.raises(GenAICostError, match=r"refuses entry 3 .* maxMessageSize"):
            sink.append(_LEDGER, batch)
    assert sink.mark() == Mark(_LEDGER, 2)
    (rejected,) = sink.rejected()
    assert (rejected.seq, rejected.is_aside) == (3, False)
    assert sink.set_aside(_LEDGER) == rejected
    sink.append(_LEDGER, batch)
    assert sink.mark() == Mark(_LEDGER, 5)
    assert [one.seq for one in topic.entries(_LEDGER)] == [1, 2, 4, 5]
    assert "maxMessageSize" in sink.send_again(_LEDGER, large)
    assert sink.send_again(_LEDGER, booked[2]) == ""
    assert sink.rejected() == []
    assert sorted(topic.entries(_LEDGER)) == booked


def test_another_ledger_takes_the_topic_over(
    sink: PulsarSink, topic: PulsarTopic, tmp_path: Path
) -> None:
    """The one before it is told, and does not take it back."""
    booked = entries(20)
    sink.append(_LEDGER, booked[:10])
    other = PulsarSink(tmp_path / "other.sqlite", topic.name, url=topic.url)
    other.reset()
    other.append("ledger-2", booked)
    for _ in range(2):
        with pytest.raises(GenAICostError, match=r"fenced|ProducerFenced"):
            sink.append(_LEDGER, booked[10:])
    with pytest.raises(GenAICostError, match="the ledger ledger-2 has taken it over"):
        sink.reset()
    other.close()
    assert topic.entries("ledger-2") == booked


def test_cluster_that_does_not_deduplicate_is_refused(tmp_path: Path) -> None:
    with pulsar(tmp_path / "pulsar", does_deduplicate=False) as server:
        sink = PulsarSink(tmp_path / "pulsar.sqlite", "entries", url=server.url)
        with pytest.raises(GenAICostError, match="set-deduplication --enable"):
            sink.append(_LEDGER, entries(1))
        sink.close()


def test_certificate_and_the_key_of_messages_are_told_apart(tmp_path: Path) -> None:
    certificate = {"certificate": "c.pem", "certificate_key": "k.pem"}
    sink = PulsarSink(
        tmp_path / "p", "entries", key="tenant", url="pulsar+ssl://h:1", **certificate
    )
    settings = sink._connection._settings()
    assert settings["authentication"] is not None
    assert OPTIONS.keys().isdisjoint(KEY)


def test_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no key of messages: 'model'"):
        PulsarSink(tmp_path / "pulsar.sqlite", "entries", key="model")
