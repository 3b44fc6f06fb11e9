"""Workers over a topic and a Redis: whoever is killed, doubled or late, nothing is counted twice, nothing is lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.journal.codec import decode
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES, Contracts
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.streaming.broker import Delivered, Polled
from otel_genai_cost.streaming.cloud_event import Message, entry_in, event_in, observation_message
from otel_genai_cost.streaming.group import PositionOf
from otel_genai_cost.streaming.partition import PartitionBy, partition_key
from otel_genai_cost.streaming.partition_store import Commit, PartitionStore
from otel_genai_cost.streaming.sums import read_sums
from otel_genai_cost.streaming.windows import Windows
from otel_genai_cost.streaming.worker import Worker, WorkerOptions
from otel_genai_exporters.streams import redis_partitions
from otel_genai_exporters.streams.redis_partitions import RedisPartitions
from tests.ledger.build import SECOND_US, START_US, observe
from tests.ledger.journalled import settled
from tests.ledger.world import world_of
from tests.queues.brokers import Brokers
from tests.streaming.terms import half_price, other_book

_NOW_US: Final = START_US + 1_000 * SECOND_US
_PARTITIONS: Final = 3

pytestmark = pytest.mark.service


@pytest.fixture
def address(servers: Brokers) -> str:
    return servers.address("redis", Path("/usr/bin"))


@pytest.fixture
def opened(address: str) -> Iterator[Callable[[str], RedisPartitions]]:
    """The store of workers of a name, until the test ends."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(closing(RedisPartitions(address, name)))


@pytest.fixture
def store(opened: Callable[[str], RedisPartitions]) -> RedisPartitions:
    return opened("test")


class _Topic:
    """A topic in memory: partitions of messages, read by members that take what they are told to."""

    place = "the topic of this test"

    def __init__(self, partitions: int = _PARTITIONS) -> None:
        self.messages: list[list[Message]] = [[] for _ in range(partitions)]

    is_shared_out = True

    def add(self, message: Message) -> None:
        self.messages[crc32(message.key.encode()) % len(self.messages)].append(message)

    def member(self, reader: str, position_of: PositionOf) -> _Member:
        return _Member(self, position_of, range(len(self.messages)))


class _Member:
    def __init__(self, topic: _Topic, position_of: PositionOf, owned: Sequence[int]) -> None:
        self._topic = topic
        self._at = {one: int(position_of(str(one)) or 0) for one in owned}
        self._held = set[int]()
        self.closed = False

    @property
    def is_share_final(self) -> bool:
        return self._topic.is_shared_out

    @property
    def partitions(self) -> frozenset[str]:
        return frozenset(str(one) for one in self._at if one not in self._held)

    def poll(self, limit: int, wait_s: float) -> Polled:
        found: list[Delivered] = []
        for one in sorted(set(self._at) - self._held):
            for at, message in enumerate(self._topic.messages[one][self._at[one] :][:3]):
                offset = self._at[one] + at
                found.append(Delivered(message, str(one), str(offset + 1), f"t[{one}]@{offset}"))
            self._at[one] += sum(each.partition == str(one) for each in found)
        return Polled(found, (), {}, not found)

    def seek(self, partition: str, position: str | None) -> None:
        self._at[int(partition)] = int(position or 0)

    def hold(self, delivered: Delivered) -> None:
        self._held.add(int(delivered.partition))

    def close(self) -> None:
        self.closed = True


class _Onward:
    """What was sent onward; it may fail once it has taken some."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.fails = 0

    def send(self, messages: Sequence[Message]) -> Mapping[int, str]:
        self.sent += messages
        if self.fails:
            self.fails -= 1
            raise GenAICostError("the broker went away")
        return {}

    def close(self) -> None:
        """Nothing is open."""


def _options(by: PartitionBy = "cell", **more: Any) -> WorkerOptions:
    return WorkerOptions("test", by, windows=Windows(all_us=None), **more)


def _ledger_sums(
    path: Path,
    observations: Sequence[Observation],
    rate_by: Book | None = None,
    contracts: Contracts = LIST_PRICES,
) -> Counter[tuple[str | None, str]]:
    """What a ledger has of these, rated again at last by other terms."""
    ledger = Ledger(path / "ledger.sqlite")
    settled(ledger, observations, _NOW_US)
    list(rerate(ledger, rate_by, Books([path]), now_us=_NOW_US, contracts=contracts))
    sums: Counter[tuple[str | None, str]] = Counter()
    for one in ledger.entries:
        sums[(one.attribution.tenant, "amount")] += one.amount
        sums[(one.attribution.tenant, "calls")] += one.calls
    ledger.close()
    return +sums


def _store_sums(store: PartitionStore) -> Counter[tuple[str | None, str]]:
    sums: Counter[tuple[str | None, str]] = Counter()
    for one in read_sums(store.windows(0, 1 << 62)):
        sums[(one.tenant, "amount")] += one.amount
        sums[(one.tenant, "calls")] += one.calls
    return +sums


def _filled(observations: Sequence[Observation], by: PartitionBy, seed: int) -> _Topic:
    """Every observation, half of them twice, in any order."""
    draw, topic = random.Random(seed), _Topic()
    every = [*observations, *draw.choices(observations, k=len(observations) // 2)]
    for one in draw.sample(every, len(every)):
        topic.add(observation_message(one, "/nodes/test", partition_key(one, by)))
    return topic


def _in_cells(seed: int) -> list[Observation]:
    """Three worlds that have nothing in common, each a cell."""
    return [_moved(one, n) for n in range(3) for one in world_of(seed + n, turns=5).observations]


def _moved(one: Observation, n: int) -> Observation:
    named = one.reading.response_id
    return one._replace(
        id=f"{n}{one.id[1:]}",
        trace_id=f"{n + 1}{one.trace_id[1:]}",
        origin=one.origin._replace(cell=f"cell-{n}", process=f"{one.origin.process}-{n}"),
        reading=one.reading._replace(response_id=None if named is None else f"{named}-{n}"),
    )


class _Clock:
    def __init__(self) -> None:
        self.us = _NOW_US

    def __call__(self) -> int:
        return self.us


def _drained(worker: Worker) -> None:
    worker.run(threading.Event(), lambda done: None)


@pytest.mark.parametrize("seed", range(3))
def test_workers_sums_are_the_ledgers(tmp_path: Path, store: RedisPartitions, seed: int) -> None:
    observations = _in_cells(seed)
    worker = Worker(_filled(observations, "cell", seed), store, _options(drain=True), _Clock())
    _drained(worker)
    assert _store_sums(store) == _ledger_sums(tmp_path, observations)
    assert worker.done.observations == len(observations) + len(observations) // 2
    assert worker.done.refused == worker.done.fenced == 0


def test_what_is_drained_ends_once_nobodys_share_is_open(store: RedisPartitions) -> None:
    topic = _Topic()
    topic.is_shared_out = False
    worker = Worker(topic, store, _options(drain=True), _Clock())
    assert [worker.round() for _ in range(3)] == [False] * 3
    topic.is_shared_out = True
    assert worker.round()
    worker.leave()


class _Killed(Exception):
    pass


class _Deadly:
    """A store whose worker dies before, or right after, some of its commits."""

    def __init__(self, store: RedisPartitions, draw: random.Random, chance: float) -> None:
        self._store, self._draw, self._chance = store, draw, chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, partition: str, revision: int, commit: Commit) -> bool:
        if self._draw.random() < self._chance:
            raise _Killed
        done = self._store.commit(partition, revision, commit)
        if self._draw.random() < self._chance:
            raise _Killed
        return done


def test_keys_that_are_not_read_whole_come_to_the_same(
    tmp_path: Path, store: RedisPartitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if every key had more fields than are read at once."""
    monkeypatch.setattr(redis_partitions, "_WHOLE_MAX", 0)
    observations = _in_cells(6)
    _drained(Worker(_filled(observations, "cell", 6), store, _options(drain=True), _Clock()))
    assert _store_sums(store) == _ledger_sums(tmp_path, observations)


def test_killed_and_doubled_workers_count_nothing_twice(
    tmp_path: Path, store: RedisPartitions
) -> None:
    """Three workers, each of which believes to have every partition, take turns and die at any step."""
    observations = _in_cells(5)
    topic, clock, draw = _filled(observations, "cell", 5), _Clock(), random.Random(5)
    onward = _Onward()

    def begun() -> Worker:
        deadly: Any = _Deadly(store, draw, 0.05)
        return Worker(topic, deadly, _options(), clock, onward)

    workers = [begun() for _ in range(3)]
    killed = fenced = 0
    for _ in range(150):
        at = draw.randrange(3)
        try:
            workers[at].round()
        except (_Killed, GenAICostError):
            fenced += workers[at].done.fenced
            workers[at], killed = begun(), killed + 1
        onward.fails = int(draw.random() < 0.1)
        clock.us += draw.randrange(4) * SECOND_US
    onward.fails = 0
    _drained(Worker(topic, store, _options(drain=True), clock, onward))
    assert killed > 5
    assert fenced + sum(worker.done.fenced for worker in workers) > 5
    expected = _ledger_sums(tmp_path, observations)
    assert _store_sums(store) == expected
    sent = {entry.id: entry for entry in map(entry_in, map(event_in, onward.sent))}
    assert len(sent) < len(onward.sent)  # some of it twice, which its id says
    sums: Counter[tuple[str | None, str]] = Counter()
    for one in sent.values():
        sums[(one.attribution.tenant, "amount")] += one.amount
        sums[(one.attribution.tenant, "calls")] += one.calls
    assert +sums == expected


@pytest.mark.parametrize("by", ["cell", "trace"])
def test_other_terms_are_taken_to_what_was_settled_long_ago(
    tmp_path: Path, opened: Callable[[str], RedisPartitions], by: PartitionBy
) -> None:
    """A book and contracts that came later, though no message comes any more; workers die meanwhile."""
    observations = [observe(n, trace=n, response_id=f"r{n}") for n in range(1, 40)]
    topic, clock, draw = _filled(observations, by, 8), _Clock(), random.Random(8)
    store = opened(f"terms-{by}")
    _drained(Worker(topic, store, _options(by, drain=True), clock))
    before = _store_sums(store)
    terms = {"rate_by": other_book(tmp_path), "contracts": half_price()}
    deadly: Any = _Deadly(store, draw, 0.5)
    killed = 0
    for _ in range(12):
        try:
            Worker(topic, deadly, _options(by, **terms), clock).round()
        except _Killed:
            killed += 1
    assert killed > 2
    clock.us += SECOND_US
    worker = Worker(topic, store, _options(by, drain=True, **terms), clock)
    _drained(worker)
    after = _store_sums(store)
    assert after == _ledger_sums(tmp_path, observations, other_book(tmp_path), half_price())
    assert after != before
    assert after[("acme", "calls")] == before[("acme", "calls")] == len(observations)
    again = Worker(topic, store, _options(by, drain=True, **terms), clock)
    _drained(again)
    assert again.done.entries == 0
    assert _store_sums(store) == after


def test_what_is_ripe_is_settled_though_nothing_comes(store: RedisPartitions) -> None:
    topic, clock = _Topic(), _Clock()
    one = observe(1)
    topic.add(observation_message(one, "/nodes/test", "|"))
    clock.us = one.end_us
    worker = Worker(topic, store, _options(), clock)
    worker.round()
    assert read_sums(store.windows(0, 1 << 62)) == []
    clock.us += 11 * SECOND_US
    worker.round()
    (found,) = read_sums(store.windows(0, 1 << 62))
    assert (found.tenant, found.calls, found.amount) == ("acme", 1, one.cost.total)


def test_foreign_messages_are_put_aside_with_a_reason(store: RedisPartitions) -> None:
    topic = _Topic(1)
    other = observation_message(observe(2), "/nodes/test", "of-another-cell")
    topic.add(Message(b"hello", {}, "|"))
    topic.add(other)
    topic.add(observation_message(observe(1), "/nodes/test", "|"))
    worker = Worker(topic, store, _options(drain=True), _Clock())
    _drained(worker)
    assert (worker.done.observations, worker.done.refused) == (1, 2)
    refused = list(map(decode, store.refused("0", 10)))
    assert "another key" in refused[1]["reason"]
    assert refused[0]["place"] == "t[0]@0"


def test_list_of_what_was_refused_is_bounded_and_all_of_it_counted(
    store: RedisPartitions, address: str
) -> None:
    refused = [b"%d" % n for n in range(10_007)]
    assert store.commit("0", 0, Commit(refused=refused[:7]))
    assert store.commit("0", 1, Commit(refused=refused[7:]))
    assert not store.commit("0", 1, Commit(refused=refused))  # too late
    assert store.refused("0", 20_000) == refused[7:]
    with closing(pytest.importorskip("redis").Redis.from_url(address)) as redis:
        assert redis.hget("genai-cost:{test:0}:standing", "refused") == b"10007"


def test_newer_major_version_holds_its_partition(store: RedisPartitions) -> None:
    topic = _Topic(1)
    message = observation_message(observe(1), "/nodes/test", "|")
    topic.add(message)
    newer = {**message.headers, "ce_type": b"otel_genai_cost.observation.v9"}
    topic.add(message._replace(headers=newer))
    topic.add(observation_message(observe(2), "/nodes/test", "|"))
    worker = Worker(topic, store, _options(), _Clock())
    worker.round()
    worker.round()
    assert worker.done.observations == 1
    assert store.standing("0").position == "1"


@pytest.mark.parametrize("may_see", [True, False], ids=["its configuration", "none of it"])
def test_store_that_evicts_is_refused(address: str, *, may_see: bool) -> None:
    redis = pytest.importorskip("redis").Redis.from_url(address)
    named = {"username": "worker", "passwords": ["+secret"], "categories": ["+@all"]}
    redis.acl_setuser(
        enabled=True, keys=["*"], commands=[] if may_see else ["-config"], reset=True, **named
    )
    redis.config_set("maxmemory-policy", "volatile-lru")  # which evicts sums, as services do
    try:
        with pytest.raises(ConfigurationError, match="volatile-lru"):
            RedisPartitions(address.replace("://", "://worker:secret@"), "test")
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.acl_deluser("worker")
        redis.close()
