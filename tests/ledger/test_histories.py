"""Random histories of a ledger (copies, refused rows, kills, pruning, unlinks) against one settlement of all."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.posting.run import settle_waiting, unlink
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Cost, cost_of
from tests.ledger.build import SECOND_US, START_US
from tests.ledger.world import world_of

_NOW_US: Final = START_US + 1_000 * SECOND_US
_FOREVER_US: Final = 1 << 62

_REFUSED: Final[tuple[dict[str, Any], ...]] = (
    {"usage": 7},
    {"scope": None},
    {"start_us": -5},
    {"usage": {"input": -5_000}},
    {"trace_id": "odd", "usage": {"input": -1}},
)


class _Killed(Exception):
    pass


def _no_other_book(observation: Observation, digest: str) -> Cost | None:
    return None


class _History:
    """One ledger, and what happens to it."""

    def __init__(self, path: Path, seed: int, *, prunes: bool) -> None:
        self.draw, self._path, self._prunes = random.Random(seed), path, prunes
        self.ledger = Ledger(path)
        self.observations = self._told(seed)
        self._refused = [
            {**to_record(one), **self.draw.choice(_REFUSED)}
            for one in self.draw.sample(self.observations, len(self.observations) // 3)
        ]
        self.unlinked: set[str] = set()
        self._now_us = _NOW_US

    def _told(self, seed: int) -> list[Observation]:
        """A world, and more copies of its spans that say the same of the call."""
        told = [from_record(to_record(one)) for one in world_of(seed, turns=5).observations]
        copied = self.draw.choices(told, k=len(told) // 2)
        told += [one._replace(scope_version=f"copy {n}") for n, one in enumerate(copied)]
        self.draw.shuffle(told)
        return told

    def run(self) -> None:
        """Everything comes, in this order or that, between all that may happen."""
        left = [*map(to_record, self.observations), *self._refused]
        self.draw.shuffle(left)
        while left:
            batch = left[: self.draw.randrange(1, 7)]
            try:
                self._step(batch)
            except _Killed:
                self._begin_again()
            else:
                left = left[len(batch) :]
        with self.ledger.transaction():
            while settle_waiting(self.ledger, _FOREVER_US, self._now_us, _no_other_book).waiting:
                pass

    def _step(self, batch: list[dict[str, Any]]) -> None:
        self._now_us += self.draw.randrange(60) * SECOND_US
        with self.ledger.transaction():
            ripe_after_us = self.draw.choice((0, 10, 2_000)) * SECOND_US
            self.ledger.ingest([dict(one) for one in batch], self._now_us, ripe_after_us)
            self._maybe_kill()
        for _ in range(self.draw.randrange(4)):
            self._settled(self.draw.choice((self._now_us, _FOREVER_US)), self.draw.randrange(1, 9))
        if self.draw.random() < 0.1:
            self._unlink(self.draw.choice(self.observations).id)
        if self._prunes and self.draw.random() < 0.2:
            with self.ledger.transaction():
                before_us = self._now_us - self.draw.randrange(120) * SECOND_US
                self.ledger.candidates.prune(before_us, 0)
                self._maybe_kill()
        if self.draw.random() < 0.2:
            self._begin_again()

    def _settled(self, ripe_us: int, limit: int) -> int:
        with self.ledger.transaction():
            done = settle_waiting(self.ledger, ripe_us, self._now_us, _no_other_book, limit)
            self._maybe_kill()
        return done.waiting

    def _unlink(self, observation_id: str) -> None:
        if any(one.id == observation_id for one in self.observations):
            with self.ledger.transaction():
                unlink(self.ledger, observation_id, self._now_us, _no_other_book)
            self.unlinked.add(observation_id)

    def _maybe_kill(self) -> None:
        if self.draw.random() < 0.1:
            raise _Killed

    def _begin_again(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self._path)


@pytest.fixture(params=range(10))
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def _of_charges(ledger: Ledger) -> Counter[tuple[object, ...]]:
    return Counter(
        (p.attribution.tenant, p.attribution.absent, p.model, p.reason, p.amount, p.calls)
        for charge in charges(ledger)
        for p in charge.positions
    )


def test_any_history_comes_to_what_one_settlement_of_all_does(seed: int, tmp_path: Path) -> None:
    history = _History(tmp_path / "ledger.sqlite", seed, prunes=False)
    history.run()
    at_once = settle(history.observations, frozenset(history.unlinked)).verdicts
    expected = Counter(
        (
            one.attribution.tenant,
            one.attribution.absent,
            one.richest.reading.model_returned or one.richest.reading.model_requested,
            one.cost.reason,
            cost_of(one.cost.lines),
            1,
        )
        for one in at_once
    )
    assert _of_charges(history.ledger) == expected


def test_whatever_is_forgotten_no_copy_is_charged_twice(seed: int, tmp_path: Path) -> None:
    """What is booked of each charge is what its members come to, and copies of one span are members of one."""
    history = _History(tmp_path / "ledger.sqlite", 1_000 + seed, prunes=True)
    history.run()
    ledger, unlinked = history.ledger, frozenset(history.unlinked)
    charge_of: dict[str, set[str]] = {}
    for charge in charges(ledger):
        members = [one.observation for one in ledger.observations.members_of(charge.charge_id)]
        (verdict,) = settle(members, unlinked).verdicts
        assert sum(p.amount for p in charge.positions) == cost_of(verdict.cost.lines)
        for one in members:
            charge_of.setdefault(one.id, set()).add(charge.charge_id)
    assert {len(found) for found in charge_of.values()} == {1}
    assert sum(entry.calls for entry in ledger.entries) == len(set().union(*charge_of.values()))
    assert ledger.observations.unsettled()[0] == 0
