"""Whether a stretch that is not what is here is what a power cut has left of that: pure.

A writer brings nothing onto its disk before it sends it. After a power cut its file may be shorter than what was
acknowledged, or have rubbish from somewhere on, which no line's checksum holds for.
"""

from __future__ import annotations

from otel_genai_cost.journal.reader import checksum_holds

__all__ = ["is_cut_copy"]


def is_cut_copy(here: bytes, sent: bytes, known_bytes: int) -> bool:
    """Whether all that is here is as it was written, and what was sent instead says nothing to its end.

    Args:
        here: what is here from the beginning of the stretch on, and a line further than the stretch if there is more.
        sent: the stretch.
        known_bytes: how much of the stretch stands where there is something here.
    """
    at = _first_difference(here, sent[:known_bytes])
    start = here.rfind(b"\n", 0, at) + 1
    last = here.find(b"\n", max(known_bytes - 1, start)) + 1
    mine = here[start:last].split(b"\n")[:-1]
    if not mine or not all(map(checksum_holds, mine)):
        return False
    return not any(map(checksum_holds, sent[start:].split(b"\n")))


def _first_difference(one: bytes, other: bytes) -> int:
    """By halves: the longest beginning that both have."""
    low, high = 0, len(other)
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low
