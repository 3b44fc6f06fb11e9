"""State that is far away: what is asked of a key that is too large to be read whole goes in few questions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.streaming.keyed import Keyed
from otel_genai_cost.streaming.partition_store import Commit
from otel_genai_cost.streaming.state import BufferedState
from otel_genai_exporters.streams import redis_partitions
from otel_genai_exporters.streams.redis_partitions import RedisPartitions
from tests.ledger.build import SECOND_US
from tests.ledger.journalled import no_other_book, record_of
from tests.queues.brokers import Brokers
from tests.streams.worlds import stream_of

pytestmark = pytest.mark.service


def _settled(store: RedisPartitions, part: Sequence[Observation], revision: int) -> int:
    """The number of entries of a batch of one key."""
    state, now_us = BufferedState(store.states("0", ["key"])["key"]), part[-1].end_us
    keyed, records = Keyed(state, no_other_book), [record_of(one) for one in part]
    keyed.expect(records)
    assert [keyed.take(one, now_us) for one in records] == [None] * len(records)
    entries = keyed.settle(now_us + 15 * SECOND_US)
    assert store.commit("0", revision, Commit(state={"key": state.changes()}))
    return len(entries)


def test_batch_asks_less_often_than_it_has_observations(
    servers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_partitions, "_WHOLE_MAX", 0)
    observations = list(stream_of(400, 1, across_traces=True).observations)
    asked: list[Sequence[str]] = []
    with closing(RedisPartitions(servers.address("redis", Path("/usr/bin")), "far")) as store:
        assert _settled(store, observations[:200], 0) > 50

        def counted(name: str, fields: Sequence[str]) -> list[bytes | None]:
            asked.append(fields)
            return RedisPartitions.fields(store, name, fields)

        monkeypatch.setattr(store, "fields", counted)
        assert _settled(store, observations[200:], 1) > 50
    every = [field for fields in asked for field in fields]
    assert len(every) == len(set(every)) > 1_000
    assert len(asked) < 200
