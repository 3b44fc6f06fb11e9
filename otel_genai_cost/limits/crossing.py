"""Which marks of a budget are crossed by a change of its sum or of the budget. Pure.

A mark that is reached is `up`, and stays so until the sum or the budget takes it back: `down`. What follows is another
episode. Within an episode nothing is crossed twice, so a sum that comes back to 80 % from 100 % crosses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

__all__ = ["DIRECTIONS", "Crossing", "Direction", "Level", "crossings"]

Direction = Literal["up", "down"]
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)


class Crossing(NamedTuple):
    """A mark that is reached, or left again; `episode` counts how often it was reached, from 1."""

    mark: str
    direction: Direction
    episode: int


class Level(NamedTuple):
    """A sum (atto), and the marks that hold for it."""

    booked: int
    marks: Mapping[str, int]

    @property
    def reached(self) -> frozenset[str]:
        """The marks that the sum has come to. Nothing spent reaches no mark, not even one of nothing."""
        if self.booked <= 0:
            return frozenset()
        return frozenset(name for name, amount in self.marks.items() if self.booked >= amount)


def crossings(before: Level, after: Level, last: Mapping[str, Crossing]) -> Sequence[Crossing]:
    """What is crossed between two levels.

    Args:
        before: the level until now.
        after: the level from now on.
        last: the last crossing of each mark that was ever crossed, by its name.

    Returns:
        The crossings, by mark from low to high. A mark goes down only where the change itself takes it there: while
        sums are made anew from nothing, what was crossed once stays so.
    """
    reached, left = after.reached, before.reached - after.reached
    up = {name for name in reached if name not in last or last[name].direction == "down"}
    down = {name for name in left if name in last and last[name].direction == "up"}
    found = [Crossing(name, "up", last[name].episode + 1 if name in last else 1) for name in up]
    found += [Crossing(name, "down", last[name].episode) for name in down]
    amounts = {**before.marks, **after.marks}
    return sorted(found, key=lambda one: (one.direction, amounts[one.mark], one.mark))
