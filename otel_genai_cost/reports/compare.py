"""Why another tool's sum differs from ours: each charge's difference, by cause.

A cause is found by pricing the charge's usage the way the other tool would have, if it had made that mistake: if its
figure comes out, that was it. Differences re-add exactly: the causes of a charge sum up to theirs minus ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.pricing.rate import TariffSource, price
from otel_genai_cost.usage.leaves import Usage

__all__ = ["CAUSES", "Compared", "Story", "Summary", "causes_of", "summary"]

CAUSES: Final = {
    "agree": "the same figure",
    "rounding": "less than a millionth of the amount",
    "double_count": "it has a figure on several spans of one response, and they add up",
    "repeated_above": "it has a figure on a span that only sums up what is below it",
    "zero": "it says 0 where it does not know the price",
    "unpriced_here": "we don't price this call, and say why",
    "only_ours": "it has no figure for this call",
    "only_theirs": "we have no charge for this call",
    "write_1h_as_5m": "cache writes for an hour at the price of those for five minutes",
    "writes_as_input": "cache writes at the price of plain input",
    "writes_left_out": "cache writes left out",
    "reads_as_input": "cache reads at the price of plain input",
    "reads_left_out": "cache reads left out",
    "cache_twice": "cached tokens counted twice, as cached and as plain input",
    "tier": "the service tier, batch or speed left out of account",
    "audio_as_text": "audio at the price of text",
    "reasoning_left_out": "reasoning left out",
    "reasoning_twice": "reasoning counted twice",
    "searches_left_out": "web searches left out",
    "other": "another price, or a cause that is not known",
}
"""What a cause means, for a person."""

_CONDITIONS: Final = ("service_tier", "batch", "speed")
_WRITES: Final = ("cache_write", "cache_write_5m", "cache_write_1h")
_READS: Final = ("cache_read", "cache_read_audio")
_NEAR_ATTO: Final = 10**6
_NEAR_SHARE: Final = 10**6

_Leaves = dict[str, int]
_Case = tuple[Mapping[str, int], Mapping[str, Any]]
"""Leaves and the conditions of the price."""


class Story(NamedTuple):
    """A charge, as far as a comparison needs it: the richest observation and all of them; `ours` is None where it is
    not priced. Without a `charge_id` it is an observation that counts for none."""

    charge_id: str | None
    richest: Observation
    spans: tuple[Observation, ...]
    ours: int | None


class Compared(NamedTuple):
    """Another tool's figures for a charge, and the causes of the difference, which sum up to theirs minus ours."""

    tool: str
    charge_id: str | None
    theirs: int | None
    ours: int | None
    causes: tuple[tuple[str, int], ...]


class Summary(NamedTuple):
    """One tool: each cause with its calls and difference, and the sums."""

    tool: str
    causes: dict[str, tuple[int, int]]
    calls: int
    theirs: int
    ours: int


def causes_of(story: Story, tool: str, figures: Sequence[int], book: TariffSource) -> Compared:
    """Compare what another tool said of a charge with ours, cause by cause.

    Args:
        story: the charge and the spans it was settled from.
        tool: whose figures they are.
        figures: one for each span or statement that it priced, atto, USD.
        book: to find out which mistake leads from our figure to theirs.
    """
    ours = story.ours
    if not figures:
        return Compared(tool, story.charge_id, None, ours, (("only_ours", -(ours or 0)),))
    theirs = sum(figures)
    if story.charge_id is None:
        return Compared(tool, None, theirs, None, (("repeated_above", theirs),))
    nearest = min(figures, key=lambda figure: abs(figure - (ours or 0)))
    found = [] if len(figures) == 1 else [("double_count", theirs - nearest)]
    if ours is None:
        found.append(("unpriced_here", nearest))
    elif _near(nearest, ours):
        found.append(("agree" if nearest == ours else "rounding", nearest - ours))
    elif nearest == 0:
        found.append(("zero", -ours))
    else:
        found += _mistakes(story.richest, ours, nearest, book)
    return Compared(tool, story.charge_id, theirs, ours, tuple(found))


def _near(one: int, other: int) -> bool:
    return abs(one - other) <= max(_NEAR_ATTO, abs(other) // _NEAR_SHARE)


def _mistakes(
    one: Observation, ours: int, nearest: int, book: TariffSource
) -> list[tuple[str, int]]:
    """The mistake, or the two, that lead from our figure to theirs."""
    usage, context = one.reading.usage, one.reading.context
    start: _Case = (usage.leaves, context)
    once = _tried(one, start, ours, book)
    for cause, _, amount in once:
        if _near(nearest, amount):
            return [(cause, nearest - ours)]
    for cause, case, amount in once:
        for second, _, both in _tried(one, case, amount, book):
            if second != cause and _near(nearest, both):
                return [(cause, amount - ours), (second, nearest - amount)]
    return [("other", nearest - ours)]


def _tried(
    one: Observation, case: _Case, amount: int, book: TariffSource
) -> list[tuple[str, _Case, int]]:
    """What the call would cost with each mistake that makes a difference."""
    found: list[tuple[str, _Case, int]] = []
    for cause, mistake in _MISTAKES.items():
        changed = mistake(case)
        if changed == case:
            continue
        cost = _price(one, changed, book)
        if cost is not None and cost != amount:
            found.append((cause, changed, cost))
    return found


def _price(one: Observation, case: _Case, book: TariffSource) -> int | None:
    reading, (leaves, context) = one.reading, case
    usage = reading.usage
    nearest = Usage(leaves, usage.input_total, usage.output_total, usage.quality)
    model = reading.model_returned or reading.model_requested
    return price(book, reading.provider, model, nearest, one.end_us, context).total


def _moved(leaves: Mapping[str, int], sources: Iterable[str], target: str | None) -> _Leaves:
    """Leaves with those of `sources` counted as `target`, or left out."""
    moved = {leaf: n for leaf, n in leaves.items() if leaf not in sources}
    n = sum(leaves.get(leaf, 0) for leaf in sources)
    if n and target is not None:
        moved[target] = moved.get(target, 0) + n
    return moved if n else dict(leaves)


def _move(sources: Iterable[str], target: str | None) -> Callable[[_Case], _Case]:
    return lambda case: (_moved(case[0], sources, target), case[1])


def _again(sources: Iterable[str], target: str) -> Callable[[_Case], _Case]:
    """Leaves counted where they belong, and once more as `target`."""

    def counted_twice(case: _Case) -> _Case:
        n = sum(case[0].get(leaf, 0) for leaf in sources)
        return ({**case[0], target: case[0].get(target, 0) + n} if n else case[0], case[1])

    return counted_twice


def _unconditional(case: _Case) -> _Case:
    return (case[0], {key: nearest for key, nearest in case[1].items() if key not in _CONDITIONS})


def _audio_as_text(case: _Case) -> _Case:
    leaves = _moved(case[0], ("cache_read_audio",), "cache_read")
    return (_moved(_moved(leaves, ("input_audio",), "input"), ("output_audio",), "output"), case[1])


_MISTAKES: Final[Mapping[str, Callable[[_Case], _Case]]] = {
    "write_1h_as_5m": _move(("cache_write_1h",), "cache_write_5m"),
    "writes_as_input": _move(_WRITES, "input"),
    "writes_left_out": _move(_WRITES, None),
    "reads_as_input": _move(_READS, "input"),
    "reads_left_out": _move(_READS, None),
    "cache_twice": _again((*_READS, *_WRITES), "input"),
    "tier": _unconditional,
    "audio_as_text": _audio_as_text,
    "reasoning_left_out": _move(("reasoning",), None),
    "reasoning_twice": _again(("reasoning",), "output"),
    "searches_left_out": _move(("web_searches",), None),
}


def summary(compared: Iterable[Compared]) -> list[Summary]:
    """By tool, the causes with the largest differences first."""
    by_tool: dict[str, list[Compared]] = {}
    for one in compared:
        by_tool.setdefault(one.tool, []).append(one)
    return [_summed(tool, found) for tool, found in sorted(by_tool.items())]


def _summed(tool: str, found: Sequence[Compared]) -> Summary:
    causes: dict[str, tuple[int, int]] = {}
    for one in found:
        for cause, difference in one.causes:
            calls, total = causes.get(cause, (0, 0))
            causes[cause] = (calls + 1, total + difference)
    ordered = dict(sorted(causes.items(), key=lambda item: -abs(item[1][1])))
    return Summary(
        tool,
        ordered,
        sum(one.charge_id is not None for one in found),
        sum(one.theirs or 0 for one in found),
        sum(one.ours or 0 for one in found),
    )
