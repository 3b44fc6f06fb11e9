"""One load for every budget that is looked at: callers who spend until nobody is admitted any more.

It runs in environments of others too, so it needs nothing but Python.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

__all__ = ["CAP_USD", "MODEL", "SEEDS", "WORKERS", "Asked", "Budget", "worst"]

CAP_USD = 2
MODEL = "gpt-4o-2024-08-06"
WORKERS = (64, 256)
SEEDS = range(5)

_MISSES = 3_000
"""So many refusals, and all is spent that will be."""


class Asked(NamedTuple):
    """A call: its number, the tokens that it reads, how many it may write at most, and how many it writes."""

    number: int
    input_tokens: int
    output_max: int
    output_tokens: int

    @property
    def cost_nano(self) -> int:
        """What it costs, in billionths of a USD: 2.50 USD a million tokens read, 10 USD written."""
        return self.input_tokens * 2_500 + self.output_tokens * 10_000


class Budget(Protocol):
    """A budget that calls are admitted by."""

    async def admit(self, asked: Asked) -> object | None:
        """What stands for the call; None if it is not admitted."""
        ...

    async def settle(self, admitted: object, asked: Asked) -> None:
        """The call has ended."""
        ...


Opening = Callable[[], Awaitable[Budget]]


async def _spent_nano(budget: Budget, workers: int, seed: int) -> int:
    draw, spent, misses, number = random.Random(seed), 0, 0, 0

    async def work() -> None:
        nonlocal spent, misses, number
        while misses < _MISSES:
            number += 1
            most = draw.randrange(100, 2_000)
            asked = Asked(number, draw.randrange(200, 2_000), most, draw.randrange(10, most + 1))
            admitted = await budget.admit(asked)
            if admitted is None:
                misses += 1
                await asyncio.sleep(0.005)
                continue
            await asyncio.sleep(draw.expovariate(100))
            spent += asked.cost_nano
            await budget.settle(admitted, asked)

    await asyncio.gather(*(work() for _ in range(workers)))
    return spent


def worst(opening: Opening, workers: int, seeds: range = SEEDS) -> float:
    """How much of the cap is spent in the end, in the worst of a few runs.

    Args:
        opening: gives a budget of which nothing is spent.
        workers: how many call at once.
        seeds: of the runs.
    """

    async def once(seed: int) -> float:
        return await _spent_nano(await opening(), workers, seed) / (CAP_USD * 10**9)

    return max(asyncio.run(once(seed)) for seed in seeds)
