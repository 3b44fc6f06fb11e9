"""Versions of budgets, by when they hold. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from otel_genai_cost.limits.budget import Budget, numbered

__all__ = ["Dated"]


class Dated:
    """Every version of some budgets.

    Args:
        budgets: in any order, without their numbers.

    Attributes:
        versions: of each budget, by its id, in the order in which they were recorded.
    """

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self.versions: Mapping[str, Sequence[Budget]] = numbered(budgets)
        ends: set[int] = set()
        for one in self._all():
            ends |= (
                {one.valid_from_us}
                if one.valid_to_us is None
                else {one.valid_from_us, one.valid_to_us}
            )
        self._ends = sorted(ends)
        self._active: dict[int, tuple[Budget, ...]] = {}

    def _all(self) -> Iterable[Budget]:
        return (one for versions in self.versions.values() for one in versions)

    def version(self, budget_id: str, number: int | None) -> Budget | None:
        """One version of a budget; None if there is none of that number."""
        versions = self.versions.get(budget_id, ())
        return versions[number - 1] if number and number <= len(versions) else None

    def stage(self, at_us: int) -> int:
        """How often by a time a version began or ended.

        Args:
            at_us: unix microseconds.
        """
        return bisect_right(self._ends, at_us)

    def between(self, after_us: int, before_us: int) -> Sequence[int]:
        """When versions begin or end between two times, without these, unix microseconds."""
        return [one for one in self._ends if after_us < one < before_us]

    def active(self, at_us: int) -> tuple[Budget, ...]:
        """The version of each budget that holds at a time, by id: the one that began last; of several that began
        together, the one recorded last.

        Args:
            at_us: unix microseconds.

        Returns:
            The same tuple for all times between two at which a version begins or ends.
        """
        place = self.stage(at_us)
        if place not in self._active:
            found = (_last(versions, at_us) for _, versions in sorted(self.versions.items()))
            self._active[place] = tuple(one for one in found if one is not None)
        return self._active[place]

    def by_series(
        self, at_us: int, recorded_before_us: int | None = None
    ) -> Mapping[str, Sequence[Budget]]:
        """Those that hold at a time, by their series.

        Args:
            at_us: unix microseconds.
            recorded_before_us: as of then, unix microseconds; None as of now.
        """
        if recorded_before_us is None:
            holding = self.active(at_us)
        else:
            known = [
                [one for one in versions if one.recorded_at_us < recorded_before_us]
                for versions in self.versions.values()
            ]
            holding = tuple(one for each in known if (one := _last(each, at_us)) is not None)
        found: dict[str, list[Budget]] = {}
        for one in holding:
            found.setdefault(one.series, []).append(one)
        return found


def _last(versions: Iterable[Budget], at_us: int) -> Budget | None:
    begun = [one for one in versions if one.valid_from_us <= at_us]
    last = max(begun, key=lambda one: (one.valid_from_us, one.version), default=None)
    ended = last is not None and last.valid_to_us is not None and last.valid_to_us <= at_us
    return None if ended else last
