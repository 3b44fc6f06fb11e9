"""Windows of time: of a tenant that becomes another customer within one, that window in parts. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

__all__ = ["Windows"]


class Windows:
    """The windows of a destination.

    Args:
        length_us: of a whole one, which divides a day.
        splits: by tenant, as it stands on the calls, when it becomes another customer within a window: unix
            microseconds, ascending.
    """

    def __init__(self, length_us: int, splits: Mapping[str, Sequence[int]]) -> None:
        self._length_us, self._splits = length_us, splits

    def start(self, tenant: str, at_us: int) -> int:
        """When the window that has an instant begins, or the part of it.

        Args:
            tenant: as it stands on the call.
            at_us: unix microseconds.
        """
        whole_us = at_us - at_us % self._length_us
        splits = self._splits.get(tenant)
        if splits is None:
            return whole_us
        before = bisect_right(splits, at_us)
        return max(whole_us, splits[before - 1]) if before else whole_us

    def length(self, tenant: str, start_us: int) -> int:
        """How long a window is, or the part of one that begins then.

        Args:
            tenant: as it stands on the calls.
            start_us: when it begins, unix microseconds.
        """
        end_us = start_us - start_us % self._length_us + self._length_us
        splits = self._splits.get(tenant, ())
        after = bisect_right(splits, start_us)
        return min([end_us, *splits[after : after + 1]]) - start_us
