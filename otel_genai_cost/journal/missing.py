"""Which records of a segment are proved to be missing: the numbers between those that were read. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, TypeAlias

__all__ = ["SEQ_LIMIT", "Ranges", "count", "noted"]

Ranges: TypeAlias = "tuple[tuple[int, int], ...]"
"""Numbers, as first and last of each stretch, in order."""

SEQ_LIMIT: Final = 1 << 40
"""No writer gets this far: a larger number is a defect, and says nothing of what is missing."""


def count(missing: Ranges) -> int:
    """How many numbers these are."""
    return sum(last - first + 1 for first, last in missing)


def noted(seq_max: int, missing: Ranges, seqs: Iterable[object]) -> tuple[int, Ranges]:
    """What is missing of a segment after more of its records were read, in any order, some of them twice.

    Args:
        seq_max: the highest number until now.
        missing: the numbers below it that were not read.
        seqs: the numbers of the records that were read; what is no number of a record is ignored.

    Returns:
        The highest number and what is missing below it.
    """
    left = list(missing)
    for seq in seqs:
        if type(seq) is not int or not 0 < seq < SEQ_LIMIT:
            continue
        if seq > seq_max:
            if seq > seq_max + 1:
                left.append((seq_max + 1, seq - 1))
            seq_max = seq
        elif left:
            _fill(left, seq)
    return seq_max, tuple(left)


def _fill(left: list[tuple[int, int]], seq: int) -> None:
    """A number that was missing is there."""
    at = bisect_right(left, (seq, SEQ_LIMIT)) - 1
    if at < 0 or not left[at][0] <= seq <= left[at][1]:
        return
    first, last = left[at]
    rest = [(first, seq - 1), (seq + 1, last)]
    left[at : at + 1] = [one for one in rest if one[0] <= one[1]]
