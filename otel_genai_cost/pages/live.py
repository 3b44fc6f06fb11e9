"""Who is told when figures change: as long as a page is open, and only so many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from typing import Final

import anyio

from otel_genai_cost.pages.figures import Figures
from otel_genai_cost.pages.viewer import Viewer

__all__ = ["RETRY_S", "Live"]

RETRY_S: Final = 60
"""After so long whoever was refused may ask again."""

_EVERY_S: Final = 1.0
_OPEN_MAX: Final = 500
"""Open pages of all viewers: each is a connection that stays."""

_OF_ONE_MAX: Final = 50
"""Open pages of one viewer, so that nobody takes the place of everybody else; all who are on the machine itself are
one."""


class Live:
    """Open pages. Of one event loop.

    Args:
        open_max: how many there may be.
        of_one_max: how many of one viewer.
        every_s: how often it is looked whether anything is new.
    """

    def __init__(
        self, open_max: int = _OPEN_MAX, of_one_max: int = _OF_ONE_MAX, every_s: float = _EVERY_S
    ) -> None:
        self._open_max, self._of_one_max, self._every_s = open_max, of_one_max, every_s
        self._open: Counter[Viewer] = Counter()

    def may_begin(self, viewer: Viewer) -> bool:
        """Whether one more page of a viewer may be told.

        Args:
            viewer: who looks at it.
        """
        return self._open.total() < self._open_max and self._open[viewer] < self._of_one_max

    async def events(self, viewer: Viewer, figures: Figures) -> AsyncGenerator[str, None]:
        """The number of the last entry, whenever it changes, as server-sent events; a comment each second in between.
        Nothing where there are too many meanwhile.

        Args:
            viewer: who is told.
            figures: what the number is of.
        """
        if not self.may_begin(viewer):
            return
        self._open[viewer] += 1
        said = -1
        try:
            while not figures.is_closing:
                if (seq := figures.standing.seq) != said:
                    said = seq
                    yield f"data: {seq}\n\n"
                else:
                    yield ": \n\n"
                await anyio.sleep(self._every_s)
        finally:
            self._open[viewer] -= 1
            if not self._open[viewer]:
                del self._open[viewer]
