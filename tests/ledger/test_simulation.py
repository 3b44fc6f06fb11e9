"""Whole worlds of calls through the ledger: any order, any split, crashes in between; the net is the truth."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Cost
from tests.ledger.build import START_US
from tests.ledger.world import World, world_of

_NOW_US = START_US + 1_000_000_000


def _is_true(world: World, entries: Iterable[Entry]) -> None:
    """Every tenant's calls and amounts are the truth, and nobody else has any."""
    calls: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    for entry in entries:
        calls[str(entry.attribution.tenant)] += entry.calls
        amounts[str(entry.attribution.tenant)] += entry.amount
    assert {who: n for who, n in calls.items() if n} == dict(world.calls)
    assert {who: n for who, n in amounts.items() if n} == dict(world.amounts)


def _no_other_book(observation: Observation, digest: str) -> Cost | None:
    return None


@pytest.mark.parametrize("seed", range(40))
def test_settled_at_once_is_the_truth(seed: int) -> None:
    world = world_of(seed)
    verdicts = settle(world.observations).verdicts
    assert Counter(verdict.attribution.tenant for verdict in verdicts) == world.calls


class _Crash(Exception):
    pass


@pytest.mark.parametrize("seed", range(12))
def test_any_order_any_split_and_any_crash_is_the_truth(seed: int, tmp_path: Path) -> None:
    """Records come in any order, in batches of any size, settled in parts; transactions end half-way."""
    world, draw = world_of(100 + seed), random.Random(seed)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    waiting = [to_record(one) for one in world.observations]
    draw.shuffle(waiting)
    while waiting:
        batch = waiting[: draw.randrange(1, 9)]
        try:
            with ledger.transaction():
                ledger.ingest([dict(one) for one in batch], _NOW_US, 0)
                settle_waiting(ledger, 1 << 62, _NOW_US, _no_other_book, draw.randrange(1, 9))
                if draw.random() < 0.3:
                    raise _Crash
        except _Crash:
            continue
        waiting = waiting[len(batch) :]
    with ledger.transaction():
        while settle_waiting(ledger, 1 << 62, _NOW_US, _no_other_book).waiting:
            pass
    _is_true(world, ledger.entries)


def _write(folder: Path, records: list[dict[str, Any]]) -> None:
    journal = Journal([folder])
    for one in records:
        journal.append(one)
        time.sleep(0.0005)
    journal.close()


def _ship(home: Path, journals: list[Path]) -> None:
    while True:
        ship(home, journals, drain=True)


@pytest.mark.parametrize("seed", range(3))
def test_writers_and_a_shipper_that_is_killed_again_and_again(seed: int, tmp_path: Path) -> None:
    """Three processes write their share of the world while the shipper dies at random points."""
    world, draw = world_of(200 + seed, turns=60), random.Random(seed)
    spawn = multiprocessing.get_context("spawn")
    records = [to_record(one) for one in world.observations]
    draw.shuffle(records)
    journals = [tmp_path / f"journal-{n}" for n in range(3)]
    writers = [
        spawn.Process(target=_write, args=(folder, records[n::3]))
        for n, folder in enumerate(journals)
    ]
    for writer in writers:
        writer.start()
    for _ in range(5):
        shipper = spawn.Process(target=_ship, args=(tmp_path, journals))
        shipper.start()
        shipper.join(draw.uniform(0.5, 1.5))
        assert shipper.pid is not None
        os.kill(shipper.pid, signal.SIGKILL)
        shipper.join()
    for writer in writers:
        writer.join()
    ship(tmp_path, journals, drain=True)
    ledger = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    _is_true(world, ledger.entries)
    ledger.close()
