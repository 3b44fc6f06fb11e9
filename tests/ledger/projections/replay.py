"""What budgets come to, worked out naively: every sum anew from all entries, every time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.limits.budget import Budget

_Place = tuple[str, str, str, int]
"""Budget, series, key and beginning of the period."""


class Replay:
    """Entries and versions, one after the other. `crossed` has the rows that the ledger should have."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.versions: list[Budget] = []
        self.crossed: list[tuple[str, str, str, int, str, str, int]] = []
        self._held: dict[str, Budget] = {}
        self._seen: tuple[int, int] | None = None
        self._last_us = -(1 << 62)

    def decide(self, version: Budget, now_us: int) -> None:
        self.versions.append(version)
        self.advance(now_us)

    def book(self, entries: Sequence[Entry], now_us: int) -> None:
        now_us = self.advance(now_us)
        before = list(self.entries)
        self.entries += entries
        for one in self.versions:
            places = {place for entry in entries if (place := _place(one, entry)) is not None}
            for place in sorted(places):
                to_us = one.period_at(place[1])[1]
                over = to_us <= now_us
                known = [each for each in self.versions if not over or each.recorded_at_us < to_us]
                if _active(known, min(now_us, to_us - 1)).get(one.id) == one:
                    sums = [self._sum(one, place, among) for among in (before, self.entries)]
                    self._change(one, place, sums[0], one, sums[1], one)

    def advance(self, now_us: int) -> int:
        now_us = max(now_us, self._last_us)
        ends = {end for one in self.versions for end in (one.valid_from_us, one.valid_to_us) if end}
        seen = (len(self.versions), sum(end <= now_us for end in ends))
        if not self.versions or seen == self._seen:
            return now_us
        for at_us in [*sorted(end for end in ends if self._last_us < end < now_us), now_us]:
            active = _active(self.versions, at_us)
            for budget_id in sorted(self._held.keys() | active.keys()):
                self._replace(self._held.get(budget_id), active.get(budget_id), at_us)
            self._held = active
        self._seen, self._last_us = seen, now_us
        return now_us

    def _replace(self, old: Budget | None, new: Budget | None, at_us: int) -> None:
        if old == new:
            return
        since_us = at_us if new is None else max(new.valid_from_us, new.recorded_at_us)
        both = old is not None and new is not None and old.series == new.series
        for one in filter(None, [new] if both else [old, new]):
            places = {place for entry in self.entries if (place := _place(one, entry)) is not None}
            for place in sorted(places):
                if one.period_at(place[1])[1] > since_us:
                    booked = self._sum(one, place, self.entries)
                    before = old if both or one is old else None
                    after = new if both or one is new else None
                    self._change(one, place, booked, before, booked, after)

    def _sum(self, one: Budget, place: tuple[str, int], among: Iterable[Entry]) -> int:
        return sum(entry.amount for entry in among if _place(one, entry) == place)

    def _change(
        self,
        one: Budget,
        place: tuple[str, int],
        was: int,
        old: Budget | None,
        now: int,
        new: Budget | None,
    ) -> None:
        before, after = _reached(was, old), _reached(now, new)
        at: _Place = (one.id, one.series, *place)
        for name in sorted(before | after):
            mine = [row for row in self.crossed if row[:4] == at and row[4] == name]
            is_up = bool(mine) and mine[-1][5] == "up"
            episode = mine[-1][6] if mine else 0
            if name in after and not is_up:
                self.crossed.append((*at, name, "up", episode + 1))
            elif name in before and name not in after and is_up:
                self.crossed.append((*at, name, "down", episode))


def _place(one: Budget, entry: Entry) -> tuple[str, int] | None:
    labels: Mapping[str, str] = entry.attribution.labels
    key = one.key({**labels, "tenant": entry.attribution.tenant, "model": entry.model})
    return None if key is None else (key, one.period_at(entry.occurred_us)[0])


def _active(versions: Iterable[Budget], at_us: int) -> dict[str, Budget]:
    found: dict[str, Budget] = {}
    for one in sorted(versions, key=lambda each: (each.valid_from_us, each.version)):
        if one.valid_from_us <= at_us:
            found[one.id] = one
    return {
        key: one for key, one in found.items() if one.valid_to_us is None or at_us < one.valid_to_us
    }


def _reached(booked: int, version: Budget | None) -> set[str]:
    if version is None or version.hard is None or booked <= 0:
        return set()
    found = {str(at) for at in version.thresholds if Fraction(booked * 100, at) >= version.hard}
    if version.soft is not None and booked >= version.soft:
        found.add("soft")
    return found
