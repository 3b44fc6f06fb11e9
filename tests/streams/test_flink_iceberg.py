"""Entries on a topic become rows of an Iceberg table by a job of Flink, each once, whatever is killed or told twice."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.streaming.cloud_event import Message, entry_message
from tests.demo.processes import ROOT, wait_until
from tests.lakehouse.environment import python_with_lakehouse
from tests.lakehouse.rest_catalog import rest_catalog
from tests.queues.brokers import Brokers
from tests.streaming.brokers import committed, make_topic
from tests.streams.corrected import corrected
from tests.streams.flink import Cluster, flink_cluster
from tests.streams.iceberg_table import rows_in, wanted_rows
from tests.streams.topic import Topic

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

_JOB: Final = ROOT / "stream-config" / "flink" / "iceberg.py"
_CONFIG: Final = _JOB.with_suffix(".toml")
_WITHIN_S: Final = 300


class _Stage(NamedTuple):
    cluster: Cluster
    kafka: str
    catalog: str
    ledger_id: str
    booked: list[Entry]

    def messages(self, some: list[Entry]) -> list[Message]:
        return [entry_message(one, self.ledger_id, one.charge_id) for one in some]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[_Stage]:
    folder = tmp_path_factory.mktemp("iceberg")
    with ExitStack() as stack:
        ledger = corrected(folder / "home", calls=500)
        stack.callback(ledger.close)
        kafka = Brokers(folder, stack).address("kafka", folder)
        catalog = stack.enter_context(rest_catalog(folder / "lake"))
        cluster = stack.enter_context(flink_cluster(folder, 1, iceberg=True))
        yield _Stage(cluster, kafka, catalog, ledger.id, list(ledger.entries))


def _configured(folder: Path, **settings: object) -> Path:
    """The configuration as we hand it out, with other values."""
    lines = []
    for line in _CONFIG.read_text("utf-8").splitlines():
        name = line.partition(" = ")[0]
        lines.append(f"{name} = {json.dumps(settings[name])}" if name in settings else line)
    place = folder / "iceberg.toml"
    place.write_text("\n".join(lines), encoding="utf-8")
    return place


def _submit(stage: _Stage, folder: Path, *options: str) -> str:
    config = _configured(
        folder,
        servers=stage.kafka,
        entries="lake-entries",
        refused="lake-refused",
        uri=stage.catalog,
    )
    job = stage.cluster.submit(_JOB, "--config", str(config), options=options)
    _wait_for_checkpoints(stage.cluster, job)
    return job


def _wait_for_checkpoints(cluster: Cluster, job: str) -> None:
    """Until all that is on the topic now is in one that was completed."""

    def runs() -> bool:
        assert cluster.state(job) != "FAILED", cluster.failures(job)
        return cluster.state(job) == "RUNNING"

    wait_until(runs, "the job to run", _WITHIN_S)
    done = cluster.checkpoints(job)
    wait_until(lambda: cluster.checkpoints(job) > done + 1, "two checkpoints", _WITHIN_S)


def test_each_entry_is_a_row_once(stage: _Stage, tmp_path: Path) -> None:
    """Beside messages that come again, an aborted transaction and others' messages; with a TaskManager killed in
    between, and a job that is begun again from its last checkpoint."""
    for name in ("lake-entries", "lake-refused"):
        make_topic(stage.kafka, name, 3)
    topic, booked = Topic(stage.kafka, "lake-entries"), stage.booked
    assert len(booked) == 2_000
    topic.send(stage.messages(booked[:700]))
    job = _submit(stage, tmp_path)
    topic.send(stage.messages(booked[500:1_200]))
    time.sleep(random.Random(1).uniform(0, 4))
    stage.cluster.taskmanagers()[-1].kill()
    topic.send(stage.messages(booked[1_200:1_300]), is_aborted=True)
    topic.send([Message(b"hello", {}), _damaged(stage)])
    stage.cluster.start_taskmanager()
    topic.send(stage.messages(booked[1_100:1_600]))
    _wait_for_checkpoints(stage.cluster, job)
    assert _rows(stage) == wanted_rows(booked[:1_600])
    stage.cluster.cancel(job)
    topic.send(stage.messages(booked))
    job = _submit(stage, tmp_path, "-s", stage.cluster.last_checkpoint(job))
    assert _rows(stage) == wanted_rows(booked)
    stage.cluster.cancel(job)
    reasons = sorted(
        dict(one.headers())["refused"] for one in committed(stage.kafka, "lake-refused")
    )
    assert len(reasons) == 2, reasons
    assert reasons[0].startswith(b"amount has more than 20 digits"), reasons
    assert b"no header ce_type" in reasons[1], reasons


def _damaged(stage: _Stage) -> Message:
    """An entry that no table can hold."""
    one = stage.booked[0]._replace(lines=(), amount=10**38, id="far")
    return stage.messages([one])[0]


def _rows(stage: _Stage) -> list[tuple[object, ...]]:
    return rows_in(python_with_lakehouse(), stage.catalog, "genai_cost.stream_entries")
