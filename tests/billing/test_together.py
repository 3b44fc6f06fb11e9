"""Requests whose outcomes are brought to the disk together: whenever a process dies, every event counts once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.billing.delivery import Delivered, Deliverer
from otel_genai_cost.billing.opening import connect
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.queued import Queued
from otel_genai_cost.billing.usage_event import UsageEvent
from otel_genai_cost.billing.vendor import DAY_US, Came
from tests.billing.ledgers import FIRST_US, entry, post
from tests.billing.memory import NOW_US, ONE, Memory, destination, outbox, send

_EVENTS = 25
_LATER_US = NOW_US + 3_600_000_000
"""Whatever was refused once is due again."""


class _Died(BaseException):
    """The process is gone, whatever it was doing."""


class _Remembering(Memory):
    """A billing system of one event a request, that counts an id once and dies of some requests."""

    def __init__(self, **rules: Any) -> None:
        super().__init__(**rules)
        self.rules = self.rules._replace(batch=1)
        self.died_at = 0
        self.asked: list[str] = []

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        self.asked += [one.id for one in events]
        fresh = [one for one in events if one not in self.sent]
        super().send(fresh)
        if len(self.asked) == self.died_at:
            raise _Died
        return [Came("accepted")] * len(events)


def _round(
    home: Path, vendor: Memory, is_over: Callable[[], bool] = lambda: False, us: int = _LATER_US
) -> Delivered:
    with closing(connect(home)) as db:
        return Deliverer(Outbox(db, "there"), vendor, vendor.rules, "there", lambda: us).round(
            is_over
        )


def _waiting(home: Path) -> list[Queued]:
    found: list[Queued] = outbox(home, lambda one: one.in_state("waiting"))
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A ledger whose events are made, and none of them sent."""
    post(tmp_path, [entry(n + 1, FIRST_US, f"t{n}") for n in range(_EVENTS)])
    away = Memory()
    away.answers = lambda event: Came("refused", "away", 0)
    send(tmp_path, away, destination())
    assert len(_waiting(tmp_path)) == _EVENTS
    return tmp_path


@pytest.mark.parametrize("died_at", [1, 2, 13, _EVENTS])
def test_a_process_that_dies_between_doubles_and_loses_nothing(home: Path, died_at: int) -> None:
    vendor = _Remembering()
    vendor.died_at = died_at
    with pytest.raises(_Died):
        _round(home, vendor)
    assert len(vendor.asked) == died_at
    assert not outbox(home, lambda one: one.in_state("accepted")), "no outcome was noted"
    assert _round(home, vendor) == Delivered(_EVENTS)
    assert vendor.asked[:died_at] == vendor.asked[died_at : 2 * died_at], "the same ids again"
    assert vendor.sums() == {f"t{n}": ONE for n in range(_EVENTS)}
    assert not _waiting(home)


def test_what_was_begun_and_not_sent_is_due_as_it_was(home: Path) -> None:
    vendor, before = _Remembering(), _waiting(home)
    assert _round(home, vendor, lambda: len(vendor.asked) == 7) == Delivered(7)
    left = _waiting(home)
    assert len(left) == _EVENTS - 7
    assert left == [one for one in before if one.event.id not in vendor.asked]
    assert {one.unsure_us for one in left} == {None}
    assert _round(home, vendor) == Delivered(_EVENTS - 7)
    assert len(vendor.asked) == len(set(vendor.asked)) == _EVENTS


def test_requests_that_fail_one_after_the_other_end_it(home: Path) -> None:
    vendor, before = Memory(), {one.n: one.tries for one in _waiting(home)}
    vendor.rules = vendor.rules._replace(batch=1)
    answers = iter(["accepted", "refused", "rejected", "unsure", "refused", "unsure"])
    vendor.answers = lambda event: Came(next(answers), "away", 0)  # type: ignore[arg-type]
    assert _round(home, vendor) == Delivered(1, 4, 1)
    tried = [one for one in _waiting(home) if one.tries > before[one.n]]
    assert [one.unsure_us is not None for one in tried] == [False, True, False, True]


def test_where_ids_are_soon_forgotten_a_death_leaves_one_to_look_up(home: Path) -> None:
    vendor = _Remembering(remembers_us=DAY_US - 1)
    vendor.died_at = 3
    with pytest.raises(_Died):
        _round(home, vendor)
    assert len(outbox(home, lambda one: one.in_state("accepted"))) == 2
    assert _round(home, vendor, us=_LATER_US + 2 * DAY_US) == Delivered(_EVENTS - 3, blocked=1)
    assert vendor.sums() == {f"t{n}": ONE for n in range(_EVENTS)}
