"""Charges, re-rates, reversals, moves and versions of budgets in any order, with a clock that steps: counters are the
sums of entries, crossings those of a naive replay, and a ledger that is rebuilt has the same rows."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.keeping import EVENTS
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget, budget_record
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.projections.replay import Replay
from tests.limits.build import budget

_DAY_US = 86_400_000_000
_NOW_US = 1_795_000_000_000_000
_CENT = 10**16
_FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where bringing a line to the disk takes no time, if there is such a place."""
_TENANTS = ("acme", "globex")

_NUMBERS = st.integers(0, 20)
_CHARGE = st.tuples(
    st.just("charge"), st.sampled_from(_TENANTS), st.integers(1, 60), st.integers(-2, 0)
)
_VERSION = st.tuples(
    st.just("version"),
    st.sampled_from(("a", "b")),
    st.fixed_dictionaries(
        {
            "scope": st.sampled_from(({}, {"tenant": "*"}, {"tenant": "acme"})),
            "period": st.sampled_from(("day", "month", "total")),
            "hard": st.sampled_from(("0", "0.5", "1", "2")),
            "soft": st.sampled_from((None, "0.3")),
            "thresholds": st.sampled_from(((), (80, 100), (33, 100))),
        }
    ),
    st.integers(-2, 2),
    st.sampled_from((None, None, 3)),
)
_STEPS = st.lists(
    st.one_of(
        _CHARGE,
        _CHARGE,
        _CHARGE,
        st.tuples(st.just("rerate"), _NUMBERS, st.integers(-40, 40)),
        st.tuples(st.just("reverse"), _NUMBERS),
        st.tuples(st.just("move"), _NUMBERS, st.sampled_from(_TENANTS)),
        _VERSION,
        st.tuples(
            st.just("limit"),
            st.sampled_from(("a", "b")),
            st.sampled_from(("0.5", "1", "2")),
            st.integers(-1, 2),
        ),
        st.tuples(st.just("clock"), st.integers(-1, 3)),
    ),
    min_size=12,
    max_size=30,
)


def _entry(number: int, tenant: str, amount: int, occurred_us: int, booked_us: int) -> Entry:
    return Entry(
        seq=0,
        id=f"{number:032x}",
        charge_id=f"{number:032x}",
        revision=0,
        cause="charged",
        cause_id=None,
        occurred_us=occurred_us,
        booked_us=booked_us,
        attribution=Attribution(tenant, "edge", None),
        service=None,
        provider="openai",
        model="gpt-4o",
        operation="chat",
        reason=None,
        quality="reported",
        calls=1,
        unpriced=0,
        usage={},
        lines=(),
        amount=amount,
        currency="USD",
        book=None,
    )


def _event(version: Budget) -> dict[str, Any]:
    return {"type": BUDGET, **budget_record(version)}


class _World:
    """A ledger and the replay of it, step by step."""

    def __init__(self, home: Path) -> None:
        self.ledger, self.replay = Ledger(home / "ledger.sqlite"), Replay()
        self.ledger._db.execute("PRAGMA synchronous = OFF")
        self.now_us = self.last_us = _NOW_US
        self.versions: list[dict[str, Any]] = []
        self.charges: list[tuple[str, int, int]] = []
        self._ids = 0

    def step(self, kind: str, *given: Any) -> None:
        if kind == "clock":
            self.now_us += given[0] * _DAY_US // 2
            self.last_us = max(self.last_us, self.now_us)
        elif kind == "version":
            self._version(*given)
        elif kind == "limit":
            self._limit(*given)
        elif kind == "charge":
            tenant, cents, days = given
            self.charges.append((tenant, cents * _CENT, self.now_us + days * _DAY_US))
            self._book([self.charges[-1]])
        elif self.charges:
            self._correct(kind, given[0] % len(self.charges), given[1:])

    def _correct(self, kind: str, at: int, given: tuple[Any, ...]) -> None:
        tenant, amount, occurred_us = self.charges[at]
        if kind == "move":
            self.charges[at] = (given[0], amount, occurred_us)
            self._book([(tenant, -amount, occurred_us), self.charges[at]])
            return
        added = -amount if kind == "reverse" else max(given[0] * _CENT, -amount)
        self.charges[at] = (tenant, amount + added, occurred_us)
        self._book([(tenant, added, occurred_us)])

    def _book(self, charges: Iterable[tuple[str, int, int]]) -> None:
        entries = [self._numbered(*one, self.now_us) for one in charges]
        with self.ledger.transaction():
            self.ledger.entries.append(entries)
        self.replay.book(entries, self.now_us)

    def _numbered(self, tenant: str, amount: int, occurred_us: int, booked_us: int) -> Entry:
        self._ids += 1
        return _entry(self._ids, tenant, amount, occurred_us, booked_us)

    def _limit(self, name: str, hard: str, from_days: int) -> None:
        """Another limit, and nothing else."""
        before = [one for one in self.versions if one["id"] == name]
        if before:
            names = ("scope", "period", "soft", "thresholds")
            says = {key: before[-1][key] for key in names}
            says["thresholds"] = tuple(says["thresholds"])
            self._version(name, {**says, "hard": hard}, from_days, None)

    def _version(self, name: str, says: dict[str, Any], from_days: int, days: int | None) -> None:
        self.last_us = self.now_us = self.last_us + 1  # no two are recorded at once
        from_us = self.now_us + from_days * _DAY_US
        version = budget(
            name,
            **says,
            version=1 + sum(one["id"] == name for one in self.versions),
            valid_from_us=from_us,
            valid_to_us=None if days is None else from_us + days * _DAY_US,
            recorded_at_us=self.now_us,
        )
        self.versions.append(budget_record(version))
        with self.ledger.transaction():
            self.ledger.ingest([_event(version)], self.now_us, 0)
        self.replay.decide(version, self.now_us)

    def finish(self) -> None:
        self.now_us = self.last_us
        with self.ledger.transaction():
            self.ledger.budgets.pass_time(self.now_us)
        self.replay.advance(self.now_us)


def _crossed(ledger: Ledger) -> list[Any]:
    rows = ledger._db.execute(
        "SELECT budget, series, key, period_from, mark, direction, episode FROM crossing"
    )
    return sorted(rows)


def _assert_counted(ledger: Ledger, version: Budget, entries: Iterable[Entry]) -> None:
    expected: dict[tuple[str, int], int] = defaultdict(int)
    for entry in entries:
        key = version.key({"tenant": entry.attribution.tenant})
        if key is not None:
            expected[key, version.period_at(entry.occurred_us)[0]] += entry.amount
    found = {
        (one.place.key, one.place.period_from_us): one.booked
        for one in ledger.budgets.counters(version.series)
    }
    assert found == expected


def _rebuilt(world: _World, home: Path, folder: Path) -> Ledger:
    """Another ledger from the same events, which books what charges come to in the end, one by one."""
    ledger = Ledger(folder / "ledger.sqlite")
    events = [event for path in segments(home / EVENTS) for event in read(path).records]
    known = [*map(_event, world.replay.versions), *events]
    entries = [
        _entry(number, *charge, world.now_us)
        for number, charge in enumerate(reversed(world.charges))
    ]
    with ledger.transaction():
        ledger.ingest(known, world.now_us, 0)
        for entry in entries:
            ledger.entries.append([entry])
    return ledger


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=_VERSION, steps=_STEPS)
def test_counters_and_crossings_are_those_of_a_replay_and_of_a_rebuilt_ledger(
    first: tuple[Any, ...], steps: list[tuple[Any, ...]]
) -> None:
    with tempfile.TemporaryDirectory(dir=_FAST) as folder:
        home = Path(folder) / "home"
        world = _World(home)
        for step in [first, *steps]:
            world.step(*step)
        world.finish()
        assert _crossed(world.ledger) == sorted(world.replay.crossed)
        for version in world.replay.versions:
            _assert_counted(world.ledger, version, world.replay.entries)
            assert version in world.ledger.budgets.versions(version.id)
        world.ledger.close()
        rebuilt = _rebuilt(world, home, Path(folder) / "rebuilt")
        assert _crossed(rebuilt) == sorted(world.replay.crossed)
        for version in world.replay.versions:
            sums = {one.place: one.booked for one in rebuilt.budgets.counters(version.series)}
            before = {
                (version.series, key, from_us): amount
                for (key, from_us), amount in _sums(world, version).items()
            }
            assert {place: n for place, n in sums.items() if n} == before
            assert version in rebuilt.budgets.versions(version.id)
        rebuilt.close()


def _sums(world: _World, version: Budget) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = defaultdict(int)
    for tenant, amount, occurred_us in world.charges:
        key = version.key({"tenant": tenant})
        if key is not None:
            found[key, version.period_at(occurred_us)[0]] += amount
    return {place: amount for place, amount in found.items() if amount}
