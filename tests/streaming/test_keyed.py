"""Keyed settlement against the ledger's file: the same observations, in any order, come to the same money."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import settle_waiting, unlink
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming.keyed import Keyed
from otel_genai_cost.streaming.state import BufferedState, MemoryState
from otel_genai_cost.streaming.windows import Windows
from tests.conformance.recorded import cases, replayed
from tests.ledger.build import BOOK, SECOND_US, START_US
from tests.ledger.journalled import no_other_book, record_of
from tests.ledger.world import world_of

_NOW_US: Final = START_US + 1_000 * SECOND_US
_FOREVER_US: Final = 1 << 62
_DAY_US: Final = 86_400 * SECOND_US
_RIPE_US: Final = 10 * SECOND_US
_FOR_GOOD: Final = Windows(all_us=None)


class _Step(NamedTuple):
    """What comes at a time; `unlinked` is what a person says then."""

    records: Sequence[dict[str, Any]]
    now_us: int
    unlinked: str | None = None


def _by_ledger(path: Path, steps: Sequence[_Step]) -> list[Entry]:
    """What the ledger's file has after these, and a drain."""
    ledger = Ledger(path)
    now_us = 0
    for records, now_us, unlinked in steps:
        with ledger.transaction():
            ledger.ingest([dict(one) for one in records], now_us, _RIPE_US)
            while settle_waiting(ledger, now_us, now_us, no_other_book).waiting:
                pass
            if unlinked is not None:
                unlink(ledger, unlinked, now_us, no_other_book)
    with ledger.transaction():
        while settle_waiting(ledger, _FOREVER_US, now_us, no_other_book).waiting:
            pass
    found = list(ledger.entries)
    ledger.close()
    return found


def _keyed(state: MemoryState, windows: Windows = _FOR_GOOD) -> tuple[Keyed, BufferedState]:
    buffered = BufferedState(state)
    return Keyed(buffered, no_other_book, windows=windows), buffered


def _by_key(steps: Sequence[_Step], windows: Windows = _FOR_GOOD) -> list[Entry]:
    """What one key's settlement gives; between the steps it lives in its packed state alone."""
    packed, found, now_us = None, [], 0
    for records, now_us, unlinked in [*steps, _Step((), -1)]:
        state = MemoryState(packed)
        keyed, buffered = _keyed(state, windows)
        last_us = max(step.now_us for step in steps)
        assert [keyed.take(one, now_us) for one in records] == [None] * len(records)
        found += keyed.settle(last_us if now_us < 0 else now_us, drain=now_us < 0)
        if unlinked is not None:
            found += keyed.unlink(unlinked, now_us)
        buffered.write()
        packed = state.packed()
    return found


def _nets(entries: Sequence[Entry]) -> Counter[tuple[object, ...]]:
    """What each charge comes to, tenant by tenant."""
    nets: Counter[tuple[object, ...]] = Counter()
    for one in entries:
        whom = (one.charge_id, one.attribution.tenant, one.model, one.currency)
        nets[(*whom, "amount")] += one.amount
        nets[(*whom, "calls")] += one.calls
        nets[(*whom, "unpriced")] += one.unpriced
        for leaf, quantity in one.usage.items():
            nets[(*whom, leaf)] += quantity
    return Counter({key: n for key, n in nets.items() if n})


def _sums(entries: Sequence[Entry]) -> Counter[tuple[object, ...]]:
    """What each tenant's charges come to, whatever their ids."""
    sums: Counter[tuple[object, ...]] = Counter()
    for (_, *key), n in ((tuple(key), n) for key, n in _nets(entries).items()):
        sums[tuple(key)] += n
    return sums


def _cut(records: Sequence[dict[str, Any]], seed: int) -> list[_Step]:
    """Shuffled, some of it twice, in batches of any size, at any pace."""
    draw = random.Random(seed)
    every = [*records, *draw.choices(records, k=len(records) // 2)]
    draw.shuffle(every)
    steps: list[_Step] = []
    now_us = _NOW_US
    while every:
        size = draw.choice((1, 1, 2, 7))
        unlinked = draw.choice(records)["id"] if draw.random() < 0.05 else None
        steps.append(_Step(every[:size], now_us, unlinked))
        every = every[size:]
        now_us += draw.choice((0, 3, 15)) * SECOND_US
    return steps


@pytest.fixture(params=range(8))
def seed(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


def test_key_posts_what_the_ledger_posts_step_by_step(tmp_path: Path, seed: int) -> None:
    records = [record_of(one) for one in world_of(seed, turns=6).observations]
    steps = _cut(records, seed)
    assert len(steps) >= 3
    expected = _by_ledger(tmp_path / "ledger.sqlite", steps)
    assert _by_key(steps) == expected


def test_order_copies_and_batches_make_no_difference_to_the_nets(seed: int) -> None:
    records = [record_of(one) for one in world_of(seed, turns=6).observations]
    at_once = _by_key([_Step(records, _NOW_US)])
    again = [step._replace(unlinked=None) for step in _cut(records, seed + 100)]
    assert _sums(_by_key(again)) == _sums(at_once)
    shuffled = random.Random(seed).sample(records, len(records))
    drained = _by_key([_Step(shuffled, _NOW_US - 1)])
    assert {one.id for one in drained} == {one.id for one in at_once}
    assert _nets(drained) == _nets(at_once)


def test_recorded_spans_come_to_what_the_ledger_makes_of_them(tmp_path: Path) -> None:
    """The recordings of conformance, all in one cell."""
    told = (replayed(case, BOOK) for case in cases())
    records = [record_of(one.observation) for case in told for one in case]
    now_us = max(one["end_us"] for one in records)
    by_ledger = _by_ledger(tmp_path / "ledger.sqlite", [_Step(records, now_us)])
    assert len({one.charge_id for one in by_ledger}) > 500
    assert _by_key([_Step(records, now_us)]) == by_ledger
    shuffled = random.Random(7).sample([*records, *records], 2 * len(records))
    assert _nets(_by_key([_Step(shuffled, now_us)])) == _nets(by_ledger)
