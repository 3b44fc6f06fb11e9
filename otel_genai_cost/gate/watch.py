"""Whether what comes of a stream will cost more than is held for it.

More is asked for while there is still enough, and the stream goes on meanwhile: what a provider writes while somebody
waits for an answer may be billed. A stream is ended as soon as one more event as large as the largest so far would be
too much, for the same reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["Watch"]

_MORE_PART: Final = 4
"""A stream asks for a quarter of its hold more, at least, and does so when a quarter of it is left."""

_GUESSED_MOST: Final = 2
"""No guess is that far off: who has written more than so many times its limit keeps to none."""


class Watch:
    """Watches one stream.

    Args:
        held: what is held for the call, atto; None for no limit.
        limit: the most output that the provider was told to write; None without one.
        cost: what the call costs, atto, if it has so many tokens of output; None if that is not known.
        extend: has so much held in all, atto; whether it is. Does not raise.
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
        self._asking: asyncio.Future[bool] | None = None
        self._wanted, self._is_refused = 0, False

    async def may_go_on(self, tokens: int) -> bool:
        """Whether a stream may, which has likely so many tokens; it asks for more where it will have to.

        Args:
            tokens: of output, so far.
        """
        self._step = max(self._step, tokens - self._seen)
        self._seen = tokens
        if self._held is None:
            return True
        ahead = tokens + self._step
        if self._limit is not None and self._limit < ahead <= _GUESSED_MOST * self._limit:
            ahead = self._limit  # that it wrote more is a guess that is wrong
        return ahead <= self._fits or await self._has_room(ahead)

    async def _has_room(self, ahead: int) -> bool:
        cost = self._cost(ahead)
        if cost is None:
            return True
        held, enough = await self._held_for(cost)
        if cost > held:
            return False
        # What it costs without any output only makes each token cheaper than this takes it for.
        mark = enough if cost < enough else held
        self._fits = ahead + (mark - cost) * ahead // cost if cost else ahead
        return True

    async def _held_for(self, cost: int) -> tuple[int, int]:
        """What is held, now that it costs so much, and from which cost on more is asked for."""
        self._take(self._asking)
        held = self._held or 0
        enough = held - held // _MORE_PART
        if cost >= enough and self._asking is None and not self._is_refused:
            self._wanted = held + max(cost - held, held // _MORE_PART)
            self._asking = asyncio.ensure_future(self._extend(self._wanted))
        if cost > held and self._asking is not None:
            await self._asking
            self._take(self._asking)
            held = self._held or 0
        return held, enough

    def _take(self, asking: asyncio.Future[bool] | None) -> None:
        """Take note of an answer that is there."""
        if asking is None or not asking.done():
            return
        self._asking = None
        if asking.result():
            self._held = self._wanted
        else:
            self._is_refused = True
