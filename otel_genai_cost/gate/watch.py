"""Whether what comes of a stream will cost more than is held for it.

It is asked for more before that, as soon as one more event as large as the largest so far would be too much: what is
cut off was written, and may be billed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["Watch"]

_MORE_PART: Final = 4
"""A stream that has outgrown its hold asks for a quarter of it more, at least."""


class Watch:
    """Watches one stream.

    Args:
        held: what is held for the call, atto; None for no limit.
        limit: the most output that the provider was told to write; None without one.
        cost: what the call costs, atto, if it has so many tokens of output; None if that is not known.
        extend: has so much held in all, atto; whether it is.
    """

    def __init__(
        self,
        held: int | None,
        limit: int | None,
        cost: Callable[[int], int | None],
        extend: Callable[[int], Awaitable[bool]],
    ) -> None:
        self._held, self._limit = held, limit
        self._cost, self._extend = cost, extend
        self._seen = self._step = 0
        self._fits = -1

    async def may_go_on(self, tokens: int) -> bool:
        """Whether a stream may, which has likely so many tokens; it asks for more where it has to.

        Args:
            tokens: of output, so far.
        """
        self._step = max(self._step, tokens - self._seen)
        self._seen = tokens
        if self._held is None:
            return True
        ahead = tokens + self._step
        if self._limit is not None and ahead > self._limit:
            ahead = self._limit  # that it wrote more is a guess that is wrong
        return ahead <= self._fits or await self._has_room(ahead, self._held)

    async def _has_room(self, ahead: int, held: int) -> bool:
        cost = self._cost(ahead)
        if cost is None:
            return True
        if cost > held:
            more = max(cost - held, held // _MORE_PART)
            if not await self._extend(held + more):
                return False
            held = self._held = held + more
        # What it costs without any output only makes each token cheaper than this takes it for.
        self._fits = ahead + (held - cost) * ahead // cost if cost else ahead
        return True
