"""How many observations ended when: kept, it is what is counted anew, for every period and while more come."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.counted import Counted
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.build import observe

_HOUR_US = 3_600_000_000
_FOREVER_US = 1 << 62


def _book(home: Path, first: int, count: int, random: Random, *, drain: bool) -> None:
    journal = Journal([home / "journal"])
    for n in range(first, first + count):
        at_s = random.choice([n * 97, n * 3_600, random.randrange(500_000)])
        journal.append(to_record(observe(n, trace=n, start_s=at_s, end_s=at_s + 1)))
    journal.close()
    ship(home, [home / "journal"], drain=drain, sinks=[])


@pytest.mark.parametrize("block", [65_536, 7])
def test_what_is_kept_is_what_is_counted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("otel_genai_cost.ledger.storage.counted._BLOCK", block)
    random, counted = Random(block), Counted()
    for turn in range(4):
        _book(tmp_path, 1 + 40 * turn, 40, random, drain=turn != 2)
        with closing(Ledger(tmp_path / LEDGER_FILE, readonly=True)) as ledger:
            ends = sorted(
                one.observation.end_us for one in ledger.observations.numbered(range(200))
            )
            assert len(ends) == 40 * (turn + 1)
            hours = [end - end % _HOUR_US for end in ends]
            edges = [0, _FOREVER_US, *ends, *(end + 1 for end in ends), *hours]
            for _ in range(300):
                from_us, to_us = sorted(random.sample(edges, 2))
                anew = ledger.observations.count_between(from_us, to_us)
                assert counted.between(ledger, from_us, to_us) == anew
            assert counted.between(ledger, 0, _FOREVER_US)[0] == len(ends)


def test_of_another_ledger_it_begins_anew(tmp_path: Path) -> None:
    counted = Counted()
    for n, home in enumerate((tmp_path / "one", tmp_path / "other"), 1):
        _book(home, 1, 10 * n, Random(n), drain=True)
        with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
            assert counted.between(ledger, 0, _FOREVER_US) == (10 * n, 10 * n)
