"""The Kafka sink on a real broker: what a reader of committed messages gets, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.sink import Mark, load_sink
from otel_genai_exporters.streams.kafka_sink import KafkaSink
from otel_genai_exporters.streams.topic_sink import POSITION
from tests.exporters.entries import entries
from tests.streaming.brokers import Kafka, committed, entries_on, make_topic

pytestmark = pytest.mark.service


@pytest.fixture
def topic(kafka: Kafka) -> str:
    return kafka.topic()


@pytest.fixture
def sink(kafka: Kafka, topic: str, tmp_path: Path) -> Iterator[KafkaSink]:
    found = KafkaSink(tmp_path / "kafka.sqlite", kafka.servers, topic)
    yield found
    found.close()


def _seqs(kafka: Kafka, topic: str) -> list[int]:
    return sorted(one.seq for one in entries_on(kafka.servers, topic))


def test_reader_gets_the_entries_themselves(kafka: Kafka, topic: str, sink: KafkaSink) -> None:
    sent = entries(300)
    sink.append("a" * 32, sent)
    found = sorted(entries_on(kafka.servers, topic), key=lambda one: one.seq)
    assert found == sent
    assert sum(one.amount for one in found) == sum(one.amount for one in sent)
    (first, *_) = committed(kafka.servers, topic)
    headers = dict(first.headers())
    assert headers["ce_type"] == b"otel_genai_cost.entry.v1"
    assert headers["ce_source"] == b"/ledgers/" + b"a" * 32
    assert first.key().decode() == json.loads(first.value())["charge_id"]
    assert isinstance(json.loads(first.value())["amount"], str)
    assert Decimal(json.loads(first.value())["amount"]) > 0


def test_entries_of_a_charge_stay_in_order(kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.topic(8)
    sink = KafkaSink(tmp_path / "k", kafka.servers, topic)
    one = entries(1)[0]
    sent = [one._replace(seq=seq, revision=seq - 1, id=f"{seq:032x}") for seq in range(1, 40)]
    sink.append("a" * 32, sent)
    sink.close()
    found = committed(kafka.servers, topic)
    assert len({message.partition() for message in found}) == 1
    assert [json.loads(message.value())["seq"] for message in found] == list(range(1, 40))


def test_another_process_sees_how_far_it_is(
    kafka: Kafka, topic: str, sink: KafkaSink, tmp_path: Path
) -> None:
    sink.append("a" * 32, entries(3))
    other = KafkaSink(tmp_path / "other", kafka.servers, topic)
    assert other.mark() == Mark("a" * 32, 3)
    sink.append("a" * 32, entries(2, first=4))  # to be asked is not to be fenced off
    assert sink.mark() == Mark("a" * 32, 5)


def test_transaction_that_a_killed_writer_left_open_is_undone(
    kafka: Kafka, topic: str, sink: KafkaSink
) -> None:
    sink.append("a" * 32, entries(2))
    sink.close()
    program = (
        "import confluent_kafka, os, signal\n"
        f"own = {{'bootstrap.servers': {kafka.servers!r}, 'transactional.id': 'genai-cost.{topic}'}}\n"
        "one = confluent_kafka.Producer(own)\n"
        "one.init_transactions(30)\n"
        "one.begin_transaction()\n"
        f"one.produce({topic!r}, b'half')\n"
        "one.flush(30)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    sink.append("a" * 32, entries(3))
    assert _seqs(kafka, topic) == [1, 2, 3]


def test_writer_that_was_taken_over_is_fenced_off_for_good(
    kafka: Kafka, topic: str, sink: KafkaSink, tmp_path: Path
) -> None:
    sink.append("a" * 32, entries(2))
    second = KafkaSink(tmp_path / "second", kafka.servers, topic)
    second.append("a" * 32, entries(4))
    for _ in range(2):
        with pytest.raises(GenAICostError, match="fenced off; one ledger feeds a topic: stop one"):
            sink.append("a" * 32, entries(6))
    second.append("a" * 32, entries(5))
    second.close()
    assert _seqs(kafka, topic) == [1, 2, 3, 4, 5]


def test_writer_whose_transaction_was_ended_goes_on(
    kafka: Kafka, topic: str, sink: KafkaSink
) -> None:
    sink.append("a" * 32, entries(2))
    other = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.servers, "transactional.id": f"genai-cost.{topic}"}
    )
    other.init_transactions(30)  # as the broker itself does where one takes too long
    with pytest.raises(GenAICostError, match="a batch was not committed"):
        sink.append("a" * 32, entries(3))
    sink.append("a" * 32, entries(3))
    assert _seqs(kafka, topic) == [1, 2, 3]


def test_too_large_entry_waits_with_its_reason_until_it_is_set_aside(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic = kafka.topic(1, max_message_bytes="4096")
    sink = KafkaSink(tmp_path / "k", kafka.servers, topic)
    batch = entries(9)
    noise = os.urandom(8_000).hex()
    batch[4] = batch[4]._replace(model=noise)
    with pytest.raises(GenAICostError, match=r"refuses entry 5 .*set aside by"):
        sink.append("a" * 32, batch)
    assert sink.mark() == Mark("a" * 32, 4)
    (one,) = sink.rejected()
    assert (one.seq, one.is_aside) == (5, False)
    assert "too large" in one.message
    set_aside = sink.set_aside("a" * 32)
    assert set_aside is not None
    assert set_aside.seq == 5
    sink.append("a" * 32, batch)
    assert _seqs(kafka, topic) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert sink.send_again("a" * 32, batch[4]) != ""
    assert sink.send_again("a" * 32, entries(5)[4]) == ""
    assert (sink.rejected(), sink.mark()) == ([], Mark("a" * 32, 9))
    assert _seqs(kafka, topic) == list(range(1, 10))
    sink.close()


def test_entry_that_is_taken_in_the_end_is_rejected_no_longer(kafka: Kafka, tmp_path: Path) -> None:
    sink = KafkaSink(tmp_path / "k", kafka.servers, kafka.topic(1, max_message_bytes="4096"))
    batch = entries(3)
    large = batch[1]._replace(model=os.urandom(8_000).hex())
    with pytest.raises(GenAICostError, match="refuses entry 2"):
        sink.append("a" * 32, [batch[0], large, batch[2]])
    sink.append("a" * 32, batch)  # as if the broker took more by now
    assert (sink.rejected(), sink.set_aside("a" * 32)) == ([], None)
    assert sink.mark() == Mark("a" * 32, 3)
    sink.close()


def test_broker_that_is_away_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    sink = KafkaSink(tmp_path / "k", "127.0.0.1:9", "nowhere")
    with pytest.raises(
        GenAICostError, match=r"the topic nowhere.* of Kafka at 127\.0\.0\.1:9: no broker answers"
    ):
        sink.mark()
    with pytest.raises(GenAICostError, match="cannot be made"):
        sink.append("a" * 32, entries(1))
    sink.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"servers": "", "topic": "t"}, "no servers for Kafka"),
        ({"servers": "h:1", "topic": " "}, "no topic for Kafka"),
        ({"servers": "h:1", "topic": "t", "key": "colour"}, "use charge or tenant"),
        ({"servers": "h:1", "topic": "t", "protocol": "carrier-pigeon"}, "security.protocol"),
        ({"servers": "h:1", "topic": "t", "client": "/nowhere"}, "cannot be read"),
    ],
)
def test_bad_options_are_told(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_sink("kafka", path=tmp_path / "k", **options).mark()


def test_secrets_are_read_from_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "hidden")
    properties = tmp_path / "client.properties"
    properties.write_text("# ours\nsasl.password = env:KAFKA_PASSWORD\n", encoding="utf-8")
    from otel_genai_exporters.streams.kafka_client import Topic

    assert Topic.of("h:1", "t", {"client": str(properties)}).properties == {
        "sasl.password": "hidden"
    }
    properties.write_text("nonsense\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="write key=value"):
        Topic.of("h:1", "t", {"client": str(properties)})


def test_topics_are_made_where_they_lack(kafka: Kafka, tmp_path: Path) -> None:
    sink = KafkaSink(tmp_path / "k", kafka.servers, "made-by-itself")
    sink.append("a" * 32, entries(1))
    sink.close()
    assert len(committed(kafka.servers, f"made-by-itself{POSITION}")) == 1
    with pytest.raises(Exception, match="already exists"):
        make_topic(kafka.servers, "made-by-itself", 1)


def test_filling_is_told_from_what_was_there(
    kafka: Kafka, topic: str, sink: KafkaSink, tmp_path: Path
) -> None:
    """Whoever writes it on: the number stands with the position."""
    booked = entries(3)
    sink.append("ledger-1", booked)
    sink.reset()
    sink.close()
    again = KafkaSink(tmp_path / "again.sqlite", kafka.servers, topic)
    assert again.mark() is None
    again.append("ledger-1", booked)
    again.close()
    messages = committed(kafka.servers, topic)
    found = sorted((dict(one.headers())["ce_refill"], one.key()) for one in messages)
    keys = sorted(one.charge_id.encode() for one in booked)
    assert found == [(b"0", key) for key in keys] + [(b"1", key) for key in keys]
