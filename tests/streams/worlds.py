"""Many worlds of calls, one after the other: what nodes would send in hours, in the order in which spans end."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation, observation_id
from tests.ledger.build import START_US
from tests.ledger.world import World, world_of

__all__ = ["Stream", "stream_of"]

_DRAWN: Final = 200
"""So many worlds are drawn; further ones are these with other ids, at other times."""

_APART_US: Final = 2_300_017
"""How much later than the one before it the next world of a cell begins."""


class Stream(NamedTuple):
    """Observations in the order of their ends, some of them twice; and what each tenant's calls come to: how many, and
    their sum in atto. Both are whole when `observations` has come to its end."""

    observations: Iterator[Observation]
    calls: Counter[str]
    amounts: Counter[str]


def stream_of(count: int, cells: int, across_traces: bool, begin_us: int = START_US) -> Stream:
    """A stream of so many observations at least, to the end of a world.

    Args:
        count: of observations.
        cells: how many cells the worlds are spread over.
        across_traces: whether views of one response stand in several traces, as a gateway's does.
        begin_us: when the first world begins.
    """
    calls: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    return Stream(_in_order(count, cells, across_traces, begin_us, calls, amounts), calls, amounts)


def _in_order(
    count: int,
    cells: int,
    across_traces: bool,
    begin_us: int,
    calls: Counter[str],
    amounts: Counter[str],
) -> Iterator[Observation]:
    drawn: list[World] = []
    waiting: list[tuple[int, int, Observation]] = []
    made = number = 0
    while made < count:
        if len(drawn) < _DRAWN:
            drawn.append(_drawn(len(drawn), across_traces))
        world = drawn[number % _DRAWN]
        later_us = begin_us - START_US + number // cells * _APART_US
        calls.update(world.calls)
        amounts.update(world.amounts)
        while waiting and waiting[0][0] < START_US + later_us:
            yield heapq.heappop(waiting)[2]
        for one in world.observations:
            copies = 2 if made % 50 == 0 else 1
            for _ in range(copies):
                moved = _moved(one, number, f"cell-{number % cells}", later_us)
                heapq.heappush(waiting, (moved.end_us, made, moved))
                made += 1
        number += 1
    while waiting:
        yield heapq.heappop(waiting)[2]


def _drawn(seed: int, across_traces: bool) -> World:
    world = world_of(seed)
    if across_traces:
        return world
    own = [o for o in world.observations if o.scope != "gateway" and o.role != "poll"]
    return world._replace(observations=own)


def _moved(one: Observation, number: int, cell: str, later_us: int) -> Observation:
    """The same observation in another world: of other ids and processes, in a cell, and later."""
    origin, reading = one.origin, one.reading
    if reading.response_id is not None:
        reading = reading._replace(response_id=f"{number}-{reading.response_id}")
    trace_id, span_id = f"{number:08x}{one.trace_id[8:]}", f"{number:08x}{one.span_id[8:]}"
    start_us = one.start_us + later_us
    return one._replace(
        id=observation_id(int(trace_id, 16), int(span_id, 16), start_us),
        trace_id=trace_id,
        span_id=span_id,
        path=tuple(f"{number:08x}{above[8:]}" for above in one.path),
        start_us=start_us,
        end_us=one.end_us + later_us,
        origin=origin._replace(process=f"{number}-{origin.process}", cell=cell),
        reading=reading,
    )
