"""The same load by the rule of LiteLLM's proxy, beside ours: a simulation of what it publishes, not the proxy itself,
which wants a database engine of its own. `beside_litellm.py` runs what of it needs none.

Its rule (1.109): a call is admitted while what is spent and held is below the budget; its hold is the most that it can
come to, or what is left of the budget where that is less; a call whose price it does not know holds nothing. Before it
held anything, and still where there is no estimate, it looks at what is spent when a call begins, and adds the cost
when it ends.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.faults.row import Row

__all__ = ["rows"]

_CAP: Final = 2_000_000
_SEEDS: Final = range(5)


class _Budget(NamedTuple):
    """What is spent and held, in millionths of a USD."""

    spent: int
    held: int


Rule = Callable[[_Budget, int], int | None]
"""What a call that can come to so much holds; None if it is not admitted."""


def _ours(budget: _Budget, bound: int) -> int | None:
    return bound if budget.spent + budget.held + bound <= _CAP else None


def _litellm(budget: _Budget, bound: int) -> int | None:
    left = _CAP - budget.spent - budget.held
    return min(bound, left) if left > 0 else None


def _looks_first(budget: _Budget, bound: int) -> int | None:
    return 0 if budget.spent < _CAP else None


def _exceeded(rule: Rule, workers: int, seed: int) -> float:
    """How much of the cap is spent in the end: each worker has a call, of which half is spent on average."""
    draw, budget, now = random.Random(seed), _Budget(0, 0), 0.0
    running: list[tuple[float, int, int]] = []
    misses = 0
    while misses < 1_000:
        while len(running) < workers and misses < 1_000:
            bound = draw.randrange(1_000, 10_000)
            hold = rule(budget, bound)
            if hold is None:
                misses += 1
                break
            cost = draw.randrange(bound // 10, bound + 1)
            heapq.heappush(running, (now + draw.expovariate(1), hold, cost))
            budget = budget._replace(held=budget.held + hold)
        if running:
            now, hold, cost = heapq.heappop(running)
            budget = _Budget(budget.spent + cost, budget.held - hold)
    for _, hold, cost in running:
        budget = _Budget(budget.spent + cost, budget.held - hold)
    return budget.spent / _CAP


def rows(short: bool) -> Iterator[Row]:
    """Theirs is shown, and fails nothing.

    Args:
        short: makes no difference.
    """
    for workers in (64, 256):
        for name, rule in (
            ("ours", _ours),
            ("LiteLLM's", _litellm),
            ("look, then record", _looks_first),
        ):
            began_s = time.monotonic()
            worst = max(_exceeded(rule, workers, seed) for seed in _SEEDS)
            yield Row(
                f"{workers} calls at once, rule simulated: {name}",
                "<= 1.000 of the cap",
                f"{worst:.3f} of the cap",
                worst <= 1 or rule is not _ours,
                time.monotonic() - began_s,
            )
