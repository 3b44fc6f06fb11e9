"""A key's life: what it forgets and when, what it refuses, and what people decide about what it charged."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming.keyed import Keyed, look_us
from otel_genai_cost.streaming.state import MemoryState
from otel_genai_cost.streaming.windows import Windows
from tests.ledger.build import SECOND_US, START_US, observe
from tests.ledger.journalled import no_other_book, record_of, settled
from tests.ledger.world import world_of
from tests.streaming.terms import other_book

_DAY_US: Final = 86_400 * SECOND_US
_NOW_US: Final = START_US + 60 * SECOND_US


def _later(one: Observation, us: int) -> Observation:
    return one._replace(start_us=one.start_us + us, end_us=one.end_us + us)


def _taken(state: MemoryState, *records: dict[str, Any], now_us: int = _NOW_US) -> Keyed:
    keyed = Keyed(state, no_other_book)
    assert [keyed.take(one, now_us) for one in records] == [None] * len(records)
    return keyed


def test_key_is_due_when_it_is_ripe_and_when_a_window_ends() -> None:
    state, one = MemoryState(), observe(1)
    keyed = _taken(state, record_of(one), now_us=one.end_us)
    ripe_us = keyed.due_us()
    assert ripe_us is not None
    assert ripe_us == one.end_us + 11 * SECOND_US
    assert keyed.settle(one.end_us + 9 * SECOND_US) == []
    assert len(keyed.settle(ripe_us)) == 1
    assert keyed.due_us() == one.end_us + _DAY_US + 1
    assert keyed.settle(one.end_us + _DAY_US + 1) == []
    assert keyed.due_us() == one.end_us + 35 * _DAY_US + 1
    assert keyed.settle(one.end_us + 35 * _DAY_US + 1) == []
    assert keyed.due_us() is None
    assert state.packed() is None


def test_nothing_is_left_of_any_world() -> None:
    for seed in range(5):
        state = MemoryState()
        records = [record_of(one) for one in world_of(seed, turns=8).observations]
        keyed = _taken(state, *records, now_us=_NOW_US + 1_000 * SECOND_US)
        assert keyed.settle(_NOW_US + 1_000 * SECOND_US, drain=True)
        keyed.unlink(records[0]["id"], _NOW_US)
        assert keyed.settle(_NOW_US + 36 * _DAY_US) == []
        assert state.packed() is None


def test_charge_is_kept_whole_while_its_youngest_member_is() -> None:
    """A poll that comes after weeks must not be settled without the call that it is about."""
    state, call = MemoryState(), observe(1, response_id="r1")
    keyed = _taken(state, record_of(call), now_us=call.end_us)
    assert len(keyed.settle(_NOW_US)) == 1
    poll = _later(observe(2, trace=2, role="poll", response_id="r1"), 34 * _DAY_US)
    assert keyed.take(record_of(poll), poll.end_us) is None
    assert keyed.settle(poll.end_us, drain=True) == []
    again = _later(observe(3, trace=3, role="poll", response_id="r1"), 36 * _DAY_US)
    assert keyed.settle(again.end_us - 1) == []
    assert keyed.take(record_of(again), again.end_us) is None
    assert keyed.settle(again.end_us, drain=True) == []
    assert keyed.settle(again.end_us + 36 * _DAY_US) == []
    assert state.packed() is None


def test_unlink_of_what_never_came_is_forgotten() -> None:
    state, one = MemoryState(), observe(1)
    keyed = _taken(state)
    assert keyed.unlink(one.id, _NOW_US) == []
    due_us = keyed.due_us()
    assert due_us == _NOW_US + 35 * _DAY_US + 1
    assert keyed.settle(due_us - 1) == []
    assert keyed.due_us() == due_us
    assert keyed.settle(due_us) == []
    assert (keyed.due_us(), state.packed()) == (None, None)


def test_unlink_is_kept_as_long_as_its_observation() -> None:
    """It was said weeks before the span came, of which a richer copy comes later."""
    state, inner = MemoryState(), observe(2, end_s=2, above=(1,))
    outer = observe(1, end_s=3, scope="framework")
    keyed = _taken(state, record_of(inner), now_us=inner.end_us)
    keyed.unlink(outer.id, inner.end_us - 30 * _DAY_US)
    assert len(keyed.settle(_NOW_US)) == 1
    assert keyed.take(record_of(outer), outer.end_us) is None
    assert len(keyed.settle(outer.end_us + 6 * _DAY_US)) == 1
    again = outer._replace(scope_version="2")
    assert keyed.take(record_of(again), outer.end_us + 7 * _DAY_US) is None
    assert keyed.settle(outer.end_us + 7 * _DAY_US, drain=True) == []
    assert keyed.settle(outer.end_us + 43 * _DAY_US) == []
    assert state.packed() is None


@pytest.mark.parametrize(
    ("days", "why"), [(-36, "too_old"), (-34, None), (34, None), (36, "in_the_future")]
)
def test_what_no_window_holds_is_refused(days: int, why: str | None) -> None:
    one = observe(1)
    keyed = Keyed(MemoryState(), no_other_book)
    assert keyed.take(record_of(one), one.end_us - days * _DAY_US) == why


@pytest.mark.parametrize("changed", [{"end_us": None}, {"usage": {"input": -5}}, {"scope": None}])
def test_what_cannot_be_settled_is_refused(changed: dict[str, Any]) -> None:
    keyed = Keyed(MemoryState(), no_other_book)
    assert keyed.take({**record_of(observe(1)), **changed}, _NOW_US) == "malformed"
    assert keyed.settle(_NOW_US, drain=True) == []


def test_windows_that_are_no_windows_raise() -> None:
    with pytest.raises(ValueError, match="longer than the next"):
        Keyed(MemoryState(), no_other_book, windows=Windows(evidence_us=9, responses_us=8))


def test_rating_again_posts_what_the_ledger_posts(tmp_path: Path) -> None:
    observations = world_of(3, turns=8).observations
    book, books = other_book(tmp_path), Books([tmp_path])
    now_us = _NOW_US + 1_000 * SECOND_US
    keyed = _taken(MemoryState(), *map(record_of, observations), now_us=now_us)
    posted = keyed.settle(now_us, drain=True)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    settled(ledger, observations, now_us)
    list(rerate(ledger, book, books, now_us=now_us + 1))
    again = keyed.rerate(book, books, now_us + 1)
    assert {one.cause for one in again} == {"rerated"}
    by_ledger = {one.id: one._replace(seq=0) for one in ledger.entries}
    assert {one.id: one._replace(seq=0) for one in (*posted, *again)} == by_ledger
    assert keyed.rerate(book, books, now_us + 2) == []
    ledger.close()


def test_key_is_rated_by_other_terms_once(tmp_path: Path) -> None:
    book, books, state = other_book(tmp_path), Books([tmp_path]), MemoryState()
    assert _taken(state).rate_by(book, books, _NOW_US) == []
    assert state.packed() is None  # nothing is noted of a key that has nothing
    keyed = _taken(state, record_of(observe(1)))
    (first,) = keyed.settle(_NOW_US, drain=True)
    again = Keyed(state, no_other_book)
    assert again.rate_by(None, books, _NOW_US) == []
    posted = again.rate_by(book, books, _NOW_US + 1)
    assert {one.cause for one in posted} == {"rerated"}
    assert {one.charge_id for one in posted} == {first.charge_id}
    assert Keyed(state, no_other_book).rate_by(book, books, _NOW_US + 2) == []
    late = _later(observe(2, trace=2), SECOND_US)
    assert again.take(record_of(late), _NOW_US) is None
    assert again.rate_by(book, books, _NOW_US + 3) == []
    (second,) = again.settle(_NOW_US, drain=True)
    assert second.cause == "charged" and second.amount == first.amount


def test_keys_that_rest_are_looked_at_once_in_a_while_and_not_all_at_once() -> None:
    every_us = 3_600 * SECOND_US
    first = look_us("cell-1", _NOW_US, every_us)
    assert _NOW_US < first <= _NOW_US + every_us
    # Whoever asks before it names the same time, so that looks do not multiply.
    assert {look_us("cell-1", us, every_us) for us in (first - every_us, first - 1)} == {first}
    assert look_us("cell-1", first, every_us) == first + every_us
    minutes = {look_us(f"cell-{n}", _NOW_US, every_us) // (60 * SECOND_US) for n in range(1_000)}
    assert len(minutes) > 50
