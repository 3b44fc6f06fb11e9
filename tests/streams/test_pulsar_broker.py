"""Pulsar as a broker of observations, the real one: what is sent is read once, whoever is killed."""

from __future__ import annotations

import json
import os
import urllib.request
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.streaming.broker import Consumer, Delivered, Gap, load_broker
from otel_genai_cost.streaming.cloud_event import Message, observation_message
from otel_genai_exporters.streams.pulsar_broker import PulsarBroker
from tests.demo.processes import wait_until
from tests.ledger.build import observe
from tests.streams.pulsar_server import Pulsar, admin

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

_NUMBERS = count(1)


@pytest.fixture
def broker(pulsar_server: Pulsar) -> PulsarBroker:
    return PulsarBroker(f"observations-{next(_NUMBERS)}", url=pulsar_server.url)


def messages(numbers: range) -> list[Message]:
    return [observation_message(observe(n, trace=n), "test") for n in numbers]


class Reader:
    """A ledger that keeps positions and messages together.

    Args:
        broker: which topic it reads.
    """

    def __init__(self, broker: PulsarBroker) -> None:
        self.broker = broker
        self.positions: dict[str, str] = {}
        self.read: list[Delivered] = []
        self.gaps: list[Gap] = []

    def read_until(self, total: int, limit: int = 100, does_say: bool = True) -> None:
        """Begin anew at what is kept, and read until there are so many.

        Args:
            total: how many.
            limit: how many at once.
            does_say: whether the broker is told what is kept.
        """
        consumer = self.broker.consumer("ledger")
        try:
            consumer.begin(self.positions)
            wait_until(lambda: self._round(consumer, limit, does_say) >= total, f"{total}", 60)
        finally:
            consumer.close()

    def _round(self, consumer: Consumer, limit: int, does_say: bool) -> int:
        with suppress(GenAICostError):
            polled = consumer.poll(limit, 0.2)
            self.read += polled.delivered
            self.gaps += polled.gaps
            self.positions |= {one.partition: one.position for one in polled.gaps}
            self.positions |= {one.partition: one.position for one in polled.delivered}
            if does_say:
                consumer.kept(self.positions)
        return len(self.read)

    @property
    def messages(self) -> list[Message]:
        return [one.message for one in self.read]


def _send(broker: PulsarBroker, some: list[Message]) -> None:
    producer = broker.producer()
    assert producer.send(some) == {}
    producer.close()
    producer.close()


def test_messages_are_read_as_they_were_sent(broker: PulsarBroker) -> None:
    sent = messages(range(1, 251))
    _send(broker, sent)
    reader = Reader(broker)
    reader.read_until(250)
    assert reader.messages == sent
    assert reader.gaps == []
    assert {one.partition for one in reader.read} == {"0"}


@pytest.mark.parametrize("does_say", [True, False])
def test_reader_goes_on_where_it_was(broker: PulsarBroker, does_say: bool) -> None:
    """In the middle of what was sent as one batch too."""
    sent = messages(range(1, 301))
    _send(broker, sent)
    reader = Reader(broker)
    for total in (7, 107, 207, 300):
        reader.read_until(total, limit=total - len(reader.read), does_say=does_say)
    assert reader.messages == sent
    assert reader.gaps == []


def test_position_that_was_put_back_is_read_again(broker: PulsarBroker) -> None:
    """A ledger that was restored from a copy reads again what it had read since, as long as it is there."""
    sent = messages(range(1, 31))
    _send(broker, sent)
    reader = Reader(broker)
    reader.read_until(30, limit=10)
    reader.positions = {"0": reader.read[9].position}
    del reader.read[10:]
    reader.read_until(30)
    assert reader.messages == sent
    assert reader.gaps == []
    reader.positions.clear()
    reader.read.clear()
    reader.read_until(30)
    assert reader.messages == sent


def test_partitions_are_all_read(pulsar_server: Pulsar) -> None:
    name = f"parted-{next(_NUMBERS)}"
    admin(pulsar_server, f"persistent/public/default/{name}/partitions", 3)
    broker = PulsarBroker(name, url=pulsar_server.url)
    sent = messages(range(1, 201))
    _send(broker, sent)
    reader = Reader(broker)
    reader.read_until(70, limit=70)
    reader.read_until(200)
    assert {one.partition for one in reader.read} == {"0", "1", "2"}
    assert sorted(one.key for one in reader.messages) == sorted(one.key for one in sent)


def _ledgers(pulsar_server: Pulsar, path: str) -> list[int]:
    """The ledgers of Pulsar's that a topic has."""
    address = f"{pulsar_server.admin_url}/admin/v2/{path}/internalStats"
    with urllib.request.urlopen(address, timeout=30) as answer:
        return [one["ledgerId"] for one in json.load(answer)["ledgers"]]


def test_topic_that_was_made_anew_is_a_gap(pulsar_server: Pulsar, broker: PulsarBroker) -> None:
    """A cluster that was set up again gives addresses that this one would give only to what came long before."""
    sent = messages(range(1, 6))
    _send(broker, sent)
    reader = Reader(broker)
    reader.positions = {"0": "999999999:5:-1"}
    reader.read_until(5)
    assert reader.messages == sent
    (gap,) = reader.gaps
    assert "the topic is another than the one that was read before" in gap.message
    reader.read_until(5)
    assert len(reader.gaps) == 1


def test_what_was_deleted_unread_is_a_gap(pulsar_server: Pulsar, broker: PulsarBroker) -> None:
    """As a time to live does it: the subscription goes past what nobody has read, and it is deleted."""
    sent = messages(range(1, 8))
    reader = Reader(broker)
    _send(broker, sent[:3])
    reader.read_until(3)
    _send(broker, sent[3:5])
    path = broker.name.replace("pulsar/", "persistent/")
    skip_all = f"{path}/subscription/ledger/skip_all"
    admin(pulsar_server, skip_all, method="POST")
    (before,) = _ledgers(pulsar_server, path)
    admin(pulsar_server, f"{path}/unload")
    _send(broker, sent[5:])

    def is_trimmed() -> bool:
        admin(pulsar_server, f"{path}/trim", method="POST")
        return before not in _ledgers(pulsar_server, path)

    wait_until(is_trimmed, "a ledger of Pulsar's to be deleted", 60)
    admin(pulsar_server, skip_all, method="POST")
    reader.read_until(5)
    assert reader.messages == sent[:3] + sent[5:]
    (gap,) = reader.gaps
    assert "it was deleted before it was read" in gap.message
    reader.read_until(5)
    assert len(reader.gaps) == 1


def test_message_that_is_too_large_comes_back(broker: PulsarBroker) -> None:
    (one, other) = messages(range(1, 3))
    producer = broker.producer()
    refused = producer.send([one, other._replace(value=os.urandom(6 << 20)), other])
    producer.close()
    assert list(refused) == [1]
    assert "maxMessageSize" in refused[1]
    reader = Reader(broker)
    reader.read_until(2)
    assert reader.messages == [one, other]


def test_second_reader_is_refused(broker: PulsarBroker) -> None:
    first, second = broker.consumer("ledger"), broker.consumer("ledger")
    first.begin({})
    with pytest.raises(GenAICostError, match="ConsumerBusy"):
        second.begin({})
    second.close()
    first.close()


def test_partition_is_held(broker: PulsarBroker) -> None:
    _send(broker, messages(range(1, 4)))
    consumer = broker.consumer("ledger")
    consumer.begin({})
    (one,) = consumer.poll(1, 10).delivered
    consumer.hold(one)
    assert consumer.poll(10, 0.5).delivered == []
    consumer.close()


def test_broker_killed_in_mid_batch(pulsar_server: Pulsar, broker: PulsarBroker) -> None:
    """Whoever sends sends again until it is told that all is there; nothing is lost, and copies have the same ids."""
    sent = messages(range(1, 2_001))
    reader = Reader(broker)
    producer = broker.producer()
    assert producer.send(sent[:500]) == {}
    reader.read_until(200, limit=200)
    pulsar_server.kill()
    producer.close()
    pulsar_server.start()
    _send(broker, sent[500:])
    reader.read_until(2_000)
    assert [one.headers["ce_id"] for one in reader.messages] == [
        one.headers["ce_id"] for one in sent
    ]
    assert reader.gaps == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["url=pulsar://x:1"], "needs the option topic"),
        (["topic=a/b"], "no topic: 'a/b'"),
        (["topic=t", "url=http://x"], "no Pulsar: 'http://x'"),
        (["topic=t", "brand=x"], "no such option"),
    ],
)
def test_options_that_cannot_be(options: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_broker("pulsar", options)


def test_cluster_that_is_not_there(tmp_path: Path) -> None:
    broker = PulsarBroker("t", url="pulsar://127.0.0.1:1")
    with pytest.raises(
        GenAICostError, match=r"persistent://public/default/t of pulsar://127\.0\.0\.1:1"
    ):
        broker.producer().send(messages(range(1, 2)))
