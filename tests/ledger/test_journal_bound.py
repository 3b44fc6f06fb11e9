"""Writes, rotations, ingests, deletions, repairs and kills in any order, in a folder that is too small: what was
acknowledged is in the ledger once, or still in the journal; what was not, and is nowhere, was counted."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.ingested import marked
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.keeping import retired
from otel_genai_cost.ledger.storage.store import Ledger
from tests.cli.program import call
from tests.journal.written import records
from tests.ledger.build import observe

_LIMIT = 48_000


class _World:
    """A folder, a few writers, a ledger, and what each was told."""

    def __init__(self, home: Path, draw: random.Random) -> None:
        self.home, self.folder, self.draw = home, home / "journal", draw
        self.now_s = 0.0
        self.acknowledged: set[str] = set()
        self.refused: set[str] = set()
        self.lost_by_kills: set[str] = set()
        self.writers: list[tuple[Journal, set[str]]] = [self._writer() for _ in range(3)]
        self.made = 0

    def _writer(self) -> tuple[Journal, set[str]]:
        bound = Bound(_LIMIT, "refuse")
        return Journal([self.folder], bound=bound, monotonic_s=lambda: self.now_s), set()

    def write(self) -> None:
        journal, waiting = self.draw.choice(self.writers)
        for _ in range(self.draw.randrange(1, 30)):
            self.made += 1
            n = self.made
            one = observe(n, trace=n, start_s=n, end_s=n + 1, response_id=f"r{n}")
            if journal.append(to_record(one)):
                self.acknowledged.add(one.id)
            else:
                self.refused.add(one.id)
                waiting.add(one.id)

    def wait(self) -> None:
        self.now_s += self.draw.choice([0.5, 2.0, 11.0, 70.0, 3_700.0])

    def retry(self) -> None:
        self.draw.choice(self.writers)[0].retry()

    def kill(self) -> None:
        """Nothing is closed or sealed: the kernel lets go of the lock."""
        at = self.draw.randrange(len(self.writers))
        journal, waiting = self.writers[at]
        if journal.not_journalled:
            self.lost_by_kills |= waiting
        self.writers[at] = self._writer()

    def close(self) -> None:
        at = self.draw.randrange(len(self.writers))
        journal, waiting = self.writers[at]
        journal.close()
        if journal.dropped:
            self.lost_by_kills |= waiting
        self.writers[at] = self._writer()

    def ship(self) -> None:
        ship(self.home, [self.folder], drain=True, retire_segments=self.draw.random() < 0.1)

    def rebuild(self) -> None:
        """The ledger is lost: a new one is made of the journal if that is whole, and refused else."""
        for path in list(self.home.glob("ledger.sqlite*")):
            path.rename(path.with_name(f"away-{path.name}"))
        try:
            ship(self.home, [self.folder], drain=True)
        except LedgerError:
            for path in self.home.glob("away-*"):
                path.rename(path.with_name(path.name.removeprefix("away-")))
            gone = [segment for segment in marked(self.folder) if not segment.exists()]
            assert retired(self.home) or gone, "it is refused only where something is gone"
        for path in self.home.glob("away-*"):
            path.unlink()

    def is_true(self) -> None:
        """Every acknowledged record is in the ledger or in a segment, and nothing is charged twice."""
        calls: Counter[str] = Counter()
        if (self.home / LEDGER_FILE).exists():
            ledger = Ledger(self.home / LEDGER_FILE, readonly=True)
            for entry in ledger.entries:
                calls[entry.charge_id] += entry.calls
            ledger.close()
        assert set(calls.values()) <= {1}
        written = {record["id"] for record in records(self.folder) if "id" in record}
        assert self.acknowledged <= calls.keys() | written
        size = sum(path.stat().st_size for path in segments(self.folder))
        assert size < 1.1 * _LIMIT


@pytest.mark.parametrize("seed", range(5))
def test_what_was_acknowledged_is_in_the_ledger_or_in_the_journal(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = _World(tmp_path, random.Random(seed))

    def prune() -> None:
        call(capsys, "journal", "prune", "--ledger", str(tmp_path))

    steps = [world.write] * 8 + [world.wait] * 3 + [world.retry, world.kill, world.close]
    steps += [world.ship] * 2 + [prune, world.rebuild]
    for _ in range(45):
        world.draw.choice(steps)()
        if (tmp_path / "journal").exists():
            world.is_true()
    world.ship()
    for journal, _ in world.writers:
        while not journal.retry():
            world.ship()
        journal.close()
    world.ship()
    ledger = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    booked = {entry.charge_id for entry in ledger.entries}
    ledger.close()
    assert world.acknowledged <= booked
    assert world.refused - booked <= world.lost_by_kills, "only a killed process loses what waits"
