"""Two things measured alternately in one run, so that a ratio holds while the machine's speed drifts."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Result(NamedTuple):
    """One row of the table. `goal` speaks of `ratio`; it is a bound, or what we aim at. `machine_noise` is the spread
    of the peer, p90/p10 - 1."""

    name: str
    ours: float
    theirs: float
    peer: str
    unit: str
    ratio: float
    goal: str
    machine_noise: float
    is_bound: bool = True

    @property
    def met(self) -> bool:
        """Whether the ratio meets its goal."""
        sign, bound = self.goal.split()
        return self.ratio >= float(bound) if sign == ">=" else self.ratio <= float(bound)


class Pair(NamedTuple):
    """Medians in microseconds of two alternating callables, and the median of their paired ratios."""

    ours_us: float
    theirs_us: float
    ratio: float
    noise: float


def alternate(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    calls: int,
    theirs_calls: int | None = None,
    rounds: int = 60,
) -> Pair:
    """Time both in turn, `rounds` times; CPU time, so that a neighbour's load does not count."""
    pairs = list(_rounds(ours, theirs, calls, theirs_calls or calls, rounds))
    theirs_us = sorted(pair[1] for pair in pairs)
    tenth = max(1, len(pairs) // 10)
    return Pair(
        statistics.median(pair[0] for pair in pairs),
        statistics.median(theirs_us),
        statistics.median(one / other for one, other in pairs),
        theirs_us[-tenth] / theirs_us[tenth - 1] - 1,
    )


def _rounds(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    calls: int,
    theirs_calls: int,
    rounds: int,
) -> Iterator[tuple[float, float]]:
    for function in (ours, theirs):
        _time_us(function, max(10, calls // 10))
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            yield _time_us(ours, calls), _time_us(theirs, theirs_calls)
    finally:
        gc.enable()


def _time_us(function: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls * 1e6


def times_faster(name: str, pair: Pair, peer: str, goal: str) -> Result:
    """How many times faster ours is."""
    return Result(name, pair.ours_us, pair.theirs_us, peer, "us", 1 / pair.ratio, goal, pair.noise)


def relative(name: str, pair: Pair, peer: str, goal: str) -> Result:
    """Ours as a multiple of theirs."""
    return Result(name, pair.ours_us, pair.theirs_us, peer, "us", pair.ratio, goal, pair.noise)


def of_budget(name: str, value: float, budget: float, unit: str, goal: str, noise: float) -> Result:
    """A figure against a fixed budget, where no peer does the same thing."""
    return Result(name, value, budget, "budget", unit, value / budget, goal, noise)


def of_aim(name: str, value: float, aim: float, unit: str, goal: str, noise: float) -> Result:
    """A figure against what we should like it to be; to miss it is no failure, and is shown."""
    return Result(name, value, aim, "aim", unit, value / aim, goal, noise, is_bound=False)
