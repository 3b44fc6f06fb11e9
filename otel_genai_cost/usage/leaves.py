"""How much a provider's response used: disjoint leaves that re-add to what the provider said.

A leaf is the smallest thing that has a price of its own. Token leaves are disjoint: `input` is what is left of
the input after cache reads, cache writes, audio, image and video; `output` what is left after reasoning, audio
and image. The vocabulary is open: a new leaf is a new key, not a new schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from otel_genai_cost.vocabulary import Quality

__all__ = [
    "COUNT_LEAVES",
    "INPUT_LEAVES",
    "NO_USAGE",
    "OUTPUT_LEAVES",
    "QUANTITY_LIMIT",
    "UNTRUSTED",
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
    "cache_write_12h",
    "cache_write",
)
OUTPUT_LEAVES: Final = ("output", "output_audio", "output_image", "reasoning")
COUNT_LEAVES: Final = (
    "requests",
    "web_searches",
    "images",
    "characters",
    "pages",
    "media_ms",
    "citation",
)
"""What is counted beside the totals. `citation`: tokens of the sources that a research model read."""

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
    quality: Quality = "unknown"
    low: Mapping[str, int] | None = None
    high: Mapping[str, int] | None = None


NO_USAGE: Final = Usage()

UNTRUSTED: Final = Usage(quality="estimated")
"""Numbers that an instrumentation is known to make up: not one leaf of them counts."""

_INT: Final = {int}
_INVALID: Final = Usage(quality="inconsistent")
_INPUT: Final = frozenset(INPUT_LEAVES)
_OUTPUT: Final = frozenset(OUTPUT_LEAVES)


def partition(input_total: int | None, output_total: int | None, parts: Mapping[str, int]) -> Usage:
    """Cut totals into disjoint leaves.

    Args:
        input_total: all of the input, parts included; None if it was not reported.
        output_total: likewise.
        parts: named after their leaf (never `input` or `output`, which are what is left) but overlapping, as providers
            report them: `cache_read_audio` is part of both `input_audio` and `cache_read`. Counts (`web_searches`, …)
            pass through.

    Returns:
        The usage. Anything that is not an int within 0 <= n < QUANTITY_LIMIT, or parts larger than their total, gives
        quality `inconsistent` and no leaves.
    """
    if input_total is None and output_total is None and not parts:
        return NO_USAGE
    input_left = 0 if input_total is None else input_total
    output_left = 0 if output_total is None else output_total
    if not _are_quantities(input_left, output_left, *parts.values()):
        return _INVALID
    leaves = dict(parts)
    for leaf, n in parts.items():
        if leaf in _INPUT:
            input_left -= n
        elif leaf in _OUTPUT:
            output_left -= n
    if "cache_read_audio" in leaves:
        input_left += _part_overlap(leaves)
    # Parts of a total that was never reported leave less than nothing, which contradicts itself.
    if input_total is not None or input_left:
        leaves["input"] = input_left
    if output_total is not None or output_left:
        leaves["output"] = output_left
    if min(leaves.values()) < 0:
        return Usage(_NOTHING, input_total, output_total, "inconsistent")
    return Usage(leaves, input_total, output_total, "reported")


def _part_overlap(leaves: dict[str, int]) -> int:
    """Take cached audio out of the two parts it is in; how much it was counted too often."""
    cached_audio = leaves["cache_read_audio"]
    if cached_audio:
        leaves["cache_read"] = leaves.get("cache_read", 0) - cached_audio
        leaves["input_audio"] = leaves.get("input_audio", 0) - cached_audio
    return 2 * cached_audio


def _are_quantities(*values: object) -> bool:
    numbers: Any = values  # as far as they are of one type, which is found without looking at each
    return {*map(type, numbers)} == _INT and min(numbers) >= 0 and max(numbers) < QUANTITY_LIMIT
