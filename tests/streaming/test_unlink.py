"""`ledger unlink --to`: what a person says of a response, on a topic, for workers and ledgers alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.streaming.cloud_event import Unlink, unlink_message
from tests.cli.command import rows, run
from tests.ledger.build import observe
from tests.ledger.journalled import booked, written
from tests.queues.brokers import Brokers
from tests.streaming.brokers import Kafka
from tests.streaming.over_kafka import letters, ship_from

pytestmark = pytest.mark.service

_INNER = observe(2, above=(1,), end_s=2)
_OUTER = observe(1, end_s=3, scope="framework")


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A home whose journal has a call, a framework's view of it, and another call."""
    written(tmp_path / "node" / "journal", [_INNER, _OUTER, observe(3, trace=3)])
    return tmp_path / "node"


@pytest.fixture
def topic(kafka: Kafka) -> str:
    return kafka.topic()


def _options(kafka: Kafka, topic: str) -> list[str]:
    return [word for one in kafka.options(topic) for word in ("--option", one)]


def _told(kafka: Kafka, topic: str, node: Path, *more: str) -> dict[str, Any]:
    reached = ["--to", "kafka", *_options(kafka, topic)]
    asked = ("ledger", "unlink", _OUTER.span_id, *reached, *more)
    (told,) = rows(*asked, "--json", "--ledger", str(node))
    return told


def _forwarded(kafka: Kafka, topic: str, node: Path, *more: str) -> None:
    journal = ["--journal", str(node / "journal")]
    done = run("forward", "--to", "kafka", *_options(kafka, topic), *journal, *more)
    assert done.returncode == 0, done.stderr


def test_workers_take_it_once_however_often_it_comes(
    kafka: Kafka, topic: str, node: Path, servers: Brokers
) -> None:
    """They settle by trace, what is keyed by cell, and by trace."""
    state = ["--state", servers.address("redis", Path("/usr/bin")), "--name", topic]
    work = ["worker", *_options(kafka, topic), *state, "--key", "trace", "--drain", "--json"]

    def worked() -> tuple[int, int]:
        (done,) = rows(*work)
        assert done["refused"] == 0
        sums = rows("worker-sums", *state, "--hours", "1000000", "--json")
        return done["entries"], sum(one["calls"] for one in sums)

    _forwarded(kafka, topic, node)
    assert worked() == (2, 2)
    told = _told(kafka, topic, node)
    assert told["observation_id"] == _OUTER.id
    assert worked() == (1, 3)
    _told(kafka, topic, node, "--key", "trace")
    assert worked() == (0, 3)


def test_ledger_that_reads_the_topic_takes_it(
    kafka: Kafka, topic: str, node: Path, tmp_path: Path
) -> None:
    home = tmp_path / "elsewhere"
    _told(kafka, topic, node)  # before what it is about
    _forwarded(kafka, topic, node)
    assert ship_from(kafka, topic, home).entries == 3
    assert {one.charge_id for one in booked(home)} >= {_INNER.id, _OUTER.id}
    _told(kafka, topic, node)
    assert ship_from(kafka, topic, home).entries == 0
    assert letters(home) == []


def test_ledger_that_settled_before_undoes_the_join(
    kafka: Kafka, topic: str, node: Path, tmp_path: Path
) -> None:
    home = tmp_path / "elsewhere"
    _forwarded(kafka, topic, node)
    assert ship_from(kafka, topic, home).entries == 2
    _told(kafka, topic, node)
    assert ship_from(kafka, topic, home).entries == 1
    rows("ledger", "unlink", _OUTER.id, "--json", "--ledger", str(node))
    amounts = [
        sorted((one.charge_id, one.amount, one.calls) for one in booked(each))
        for each in (home, node)
    ]
    assert amounts[0] == amounts[1]


def test_ledger_that_it_is_said_in_stays_as_it_is(kafka: Kafka, topic: str, node: Path) -> None:
    ship(node, [node / "journal"], drain=True)
    before = booked(node)
    _told(kafka, topic, node)
    assert booked(node) == before


def test_unlink_that_makes_no_sense_is_set_aside(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    message = unlink_message(Unlink("f" * 32, "e" * 32, None, 1), "/n", "|")
    value = json.dumps({"observation_id": "all of them"}).encode()
    kafka.produce(topic, value, 0, **message.headers)
    assert ship_from(kafka, topic, tmp_path).entries == 0
    (letter,) = letters(tmp_path)
    assert "'all of them' is no id" in letter["reason"]


def test_unknown_observation_is_told_to_nobody(kafka: Kafka, topic: str, node: Path) -> None:
    asked = ["ledger", "unlink", "0" * 16, "--to", "kafka", *_options(kafka, topic)]
    done = run(*asked, "--ledger", str(node))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such observation" in done.stderr
