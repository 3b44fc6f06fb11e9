"""How much a provider's response used: disjoint leaves that re-add to what the provider said.

A leaf is the smallest thing that has a price of its own. Token leaves are disjoint: `input` is what is left of
the input after cache reads, cache writes, audio, image and video; `output` what is left after reasoning, audio
and image. The vocabulary is open: a new leaf is a new key, not a new schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = [
    "COUNT_LEAVES",
    "INPUT_LEAVES",
    "NO_USAGE",
    "OUTPUT_LEAVES",
    "QUANTITY_LIMIT",
    "Usage",
    "partition",
]

INPUT_LEAVES: Final = (
    "input",
    "input_audio",
    "input_image",
    "input_video",
    "cache_read",
    "cache_read_audio",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write",
)
OUTPUT_LEAVES: Final = ("output", "output_audio", "output_image", "reasoning")
COUNT_LEAVES: Final = ("requests", "web_searches", "images", "characters", "pages", "media_ms")

QUANTITY_LIMIT: Final = 10**15
"""No response uses this much of anything; a larger number is a defect, and refused as invalid."""

_NOTHING: Mapping[str, int] = MappingProxyType({})


class Usage(NamedTuple):
    """What one response used. Every quantity is an int >= 0; an absent leaf was not reported, 0 was.

    `quality` is `reported` (the token leaves re-add to both totals), `estimated` (somebody's guess, between
    `low` and `high` where known), `inconsistent` (the numbers contradict each other; no leaves) or `unknown`.
    """

    leaves: Mapping[str, int] = _NOTHING
    input_total: int | None = None
    output_total: int | None = None
    quality: str = "unknown"
    low: Mapping[str, int] | None = None
    high: Mapping[str, int] | None = None


NO_USAGE: Final = Usage()


def partition(input_total: int | None, output_total: int | None, parts: Mapping[str, int]) -> Usage:
    """Cut totals into disjoint leaves.

    `parts` are named after their leaf but overlap, as providers report them: `cache_read_audio` is part of both
    `input_audio` and `cache_read`. Counts (`web_searches`, …) pass through. Anything that is not an int within
    0 <= n < QUANTITY_LIMIT, or parts larger than their total, gives quality `inconsistent` and no leaves.
    """
    quantities = [n for n in (input_total, output_total, *parts.values()) if n is not None]
    if not quantities:
        return NO_USAGE
    if not all(type(n) is int and 0 <= n < QUANTITY_LIMIT for n in quantities):
        return Usage(quality="inconsistent")
    leaves = dict(parts)
    if cached_audio := leaves.get("cache_read_audio", 0):
        leaves["cache_read"] = leaves.get("cache_read", 0) - cached_audio
        leaves["input_audio"] = leaves.get("input_audio", 0) - cached_audio
    _take_rest(leaves, "input", input_total, INPUT_LEAVES)
    _take_rest(leaves, "output", output_total, OUTPUT_LEAVES)
    if min(leaves.values()) < 0:
        return Usage(_NOTHING, input_total, output_total, "inconsistent")
    return Usage(leaves, input_total, output_total, "reported")


def _take_rest(
    leaves: dict[str, int], rest: str, total: int | None, siblings: tuple[str, ...]
) -> None:
    """Set `rest` to what the sibling leaves have left of `total`; negative if they exceed it."""
    named = sum([leaves[leaf] for leaf in siblings if leaf in leaves])
    if total is not None:
        leaves[rest] = total - named
    elif named:
        leaves[rest] = -1  # parts of a total that was never reported contradict themselves
