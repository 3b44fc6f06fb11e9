"""A worker's share of a topic, on a real broker: where it begins, and what is told where that is not there any more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import confluent_kafka
import pytest
from confluent_kafka import admin

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.streaming.broker import Delivered, Gap
from otel_genai_cost.streaming.group import Member
from otel_genai_exporters.streams.kafka_group import KafkaGroup
from tests.streaming.brokers import Kafka

pytestmark = pytest.mark.service


@pytest.fixture
def topic(kafka: Kafka) -> str:
    found = kafka.topic(2)
    for n in range(6):
        kafka.produce(found, b"%d" % n, n % 2)
    return found


def _read(
    kafka: Kafka, topic: str, position_of: Callable[[str], str | None]
) -> tuple[list[Delivered], list[Gap]]:
    """All that a member gets who has the topic for itself."""
    member = KafkaGroup(kafka.servers, topic).member("workers", position_of)
    try:
        return _all(member)
    finally:
        member.close()


def _all(member: Member) -> tuple[list[Delivered], list[Gap]]:
    delivered, gaps = list[Delivered](), list[Gap]()
    for _ in range(120):
        polled = member.poll(100, 0.5)
        delivered += polled.delivered
        gaps += polled.gaps
        if polled.at_end and member.partitions:
            break
    return delivered, gaps


_OTHER = """
import sys
from otel_genai_exporters.streams.kafka_group import KafkaGroup
member = KafkaGroup(*sys.argv[1:]).member("workers", lambda partition: None)
while True:
    member.poll(1, 0.1)
    print(len(member.partitions), flush=True)
"""


def test_share_of_a_member_that_was_killed_is_waited_for(kafka: Kafka, topic: str) -> None:
    """It stays a member for a while, and nobody reads its part."""
    member = KafkaGroup(kafka.servers, topic).member("workers", lambda partition: None)
    command = [sys.executable, "-c", _OTHER, kafka.servers, topic]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        while not (line := other.stdout.readline()).startswith("1"):
            assert line, "it ended"
            member.poll(100, 0.1)
        other.kill()
    while len(member.partitions) != 1:
        member.poll(100, 0.1)
    assert not member.is_share_final
    while not member.is_share_final:
        member.poll(100, 0.1)
    assert member.partitions == {"0", "1"}
    member.close()


def _values(delivered: list[Delivered]) -> list[int]:
    return sorted(int(one.message.value) for one in delivered)


def test_member_reads_on_from_where_it_is_told(kafka: Kafka, topic: str) -> None:
    delivered, gaps = _read(kafka, topic, lambda partition: None)
    assert (_values(delivered), gaps) == ([0, 1, 2, 3, 4, 5], [])
    second = {one.partition: one.position for one in delivered if one.position.startswith("2@")}
    assert sorted(second) == ["0", "1"]
    delivered, gaps = _read(kafka, topic, second.get)
    assert (_values(delivered), gaps) == ([4, 5], [])


def test_what_was_deleted_before_it_was_read_is_a_gap(kafka: Kafka, topic: str) -> None:
    delivered, _ = _read(kafka, topic, lambda partition: None)
    first = {one.partition: one.position for one in delivered if one.position.startswith("1@")}
    place = confluent_kafka.TopicPartition(topic, 0, 2)
    asked = admin.AdminClient({"bootstrap.servers": kafka.servers})
    for future in asked.delete_records([place]).values():
        future.result(30)
    delivered, gaps = _read(kafka, topic, first.get)
    assert _values(delivered) == [3, 4, 5]
    assert [(one.partition, one.up_to) for one in gaps] == [("0", 1)]
    assert gaps[0].position == f"2@{first['0'].partition('@')[2]}"


def test_position_of_another_topic_is_a_gap(kafka: Kafka, topic: str) -> None:
    delivered, gaps = _read(kafka, topic, {"0": "7@another"}.get)
    assert _values(delivered) == [0, 1, 2, 3, 4, 5]
    assert [(one.partition, one.up_to) for one in gaps] == [("0", None)]
    assert "another topic than the one of this name that was read before" in gaps[0].message


def test_topic_that_is_not_there_is_said(kafka: Kafka) -> None:
    group = KafkaGroup(kafka.servers, "never-made")
    with pytest.raises(GenAICostError, match="there is no such topic; `genai-cost forward` makes"):
        group.member("workers", lambda partition: None)
