"""Every charge in one pass is what every charge is when it is asked for by its id."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.storage import scan
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.build import START_US, observe
from tests.ledger.world import world_of

_NOW_US = START_US + 100_000_000


def _book(ledger: Ledger, observations: Iterable[Observation]) -> None:
    with ledger.transaction():
        ledger.ingest([to_record(one) for one in observations], _NOW_US, 0)
        while settle_waiting(ledger, 1 << 62, _NOW_US, lambda _, __: None).waiting:
            pass


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Booked bit by bit, so that charges have several entries, and some are merged into others."""
    made = Ledger(tmp_path / "ledger.sqlite")
    observations = world_of(3, turns=30).observations
    random.Random(3).shuffle(observations)
    for at in range(0, len(observations), 7):
        _book(made, observations[at : at + 7])
    return made


@pytest.mark.parametrize("read", [1, 3, 500])
def test_one_pass_finds_what_ids_find(
    ledger: Ledger, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_READ", read)
    expected = list(charges(ledger, ledger.entries.charge_ids()))
    several = [one for one in ledger.scan.charges() if len(one.entries) > 1]
    assert len(several) > 5
    assert any(one.entries[0].seq + 1 < one.entries[1].seq for one in several)
    assert list(charges(ledger)) == expected
    assert [one._replace(response_id=None) for one in ledger.scan.charges()] == list(
        ledger.scan.charges(with_response_ids=False)
    )


def test_what_is_booked_meanwhile_is_not_seen(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_READ", 2)
    before = list(charges(ledger))
    reading = Ledger(tmp_path / "ledger.sqlite", readonly=True)
    found = charges(reading)
    first = list(islice(found, 3))
    _book(ledger, [observe(9_999, trace=9_999)])
    assert [*first, *found] == before
    assert len(list(charges(reading))) == len(before) + 1


def test_a_reading_that_is_left_holds_nothing_up(ledger: Ledger) -> None:
    found = charges(ledger)
    next(iter(found))
    del found
    _book(ledger, [observe(9_998, trace=9_998)])


def test_within_a_snapshot_it_is_that(ledger: Ledger) -> None:
    with ledger.snapshot():
        count = len(list(charges(ledger)))
    assert count == len(list(charges(ledger)))
