"""When a tenant that always calls has fallen silent. Pure."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Final

__all__ = ["HISTORY_HOURS", "silent_since"]

HISTORY_HOURS: Final = 14 * 24
"""How far back is looked."""

_KNOWN_HOURS: Final = 7 * 24
"""Who is not known for so long has no habits yet."""

_GAP_HOURS_MAX: Final = 6
"""Who is sometimes silent for longer does not always call."""

_SILENT_HOURS_MIN: Final = 3


def silent_since(hours: Collection[int], now_hour: int) -> int | None:
    """The last hour in which a tenant called, if it always calls and has been silent for longer than twice its longest
    silence of two weeks, and for three whole hours at least.

    Args:
        hours: hours since the epoch in which it called, of the last `HISTORY_HOURS`.
        now_hour: the one that is not over yet.

    Returns:
        None if it calls, or does not always.
    """
    called = sorted(hours)
    if not called or called[-1] - called[0] < _KNOWN_HOURS:
        return None
    gaps = [later - earlier - 1 for earlier, later in pairwise(called)]
    usual = max(gaps)
    silent = now_hour - called[-1] - 1
    is_silent = usual <= _GAP_HOURS_MAX and silent >= max(_SILENT_HOURS_MIN, 2 * usual + 1)
    return called[-1] if is_silent else None
