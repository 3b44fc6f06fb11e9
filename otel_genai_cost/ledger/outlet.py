"""A sink as a shipper feeds it: when it fails, it is left alone for a while."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Final

from otel_genai_cost.errors import GenAICostError, fence
from otel_genai_cost.ledger.sink import Sink, feed
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["Outlet"]

_logger = logging.getLogger("otel_genai_cost")

_WAIT_MAX_S: Final = 60.0
"""The longest that a sink is left alone after it failed."""

_DOUBLINGS_MAX: Final = 6
_CERTAIN: Final = 0.5
"""The part of a wait that is not left to chance: shippers whose store came back do not all ask at once."""


class Outlet:
    """A sink as a shipper feeds it, round after round: what one raises stops no other, and one that fails is left alone
    for a while, twice as long each time up to a minute, since a receiver that does not answer holds up the round. Up to
    half of a wait is left out by chance.

    Args:
        sink: The sink.
        clock_s: The time, in seconds from anywhere.
        chance: A number from 0 to below 1, another each time.
    """

    def __init__(
        self,
        sink: Sink,
        clock_s: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._sink, self._clock_s, self._chance = sink, clock_s, chance
        self._failures = 0
        self._next_s = 0.0
        self.fed_seq = 0
        """The last entry that it is known to have."""

    @property
    def is_fed(self) -> bool:
        """Whether it had everything that was booked when it was last tried."""
        return not self._failures

    def feed(self, ledger: Ledger, stop: Callable[[], bool] = lambda: False) -> bool:
        """Bring it up to the ledger, unless it is left alone.

        Args:
            ledger: whose entries it is given.
            stop: whether to end after the batch at hand.

        Returns:
            Whether it failed, which was logged.
        """
        if self._failures and self._clock_s() < self._next_s:
            return False
        if self._done(ledger, stop):
            self._failures = 0
            return False
        self._failures += 1
        wait_s = min(2.0 ** min(self._failures - 1, _DOUBLINGS_MAX), _WAIT_MAX_S)
        self._next_s = self._clock_s() + wait_s * (1 - (1 - _CERTAIN) * self._chance())
        return True

    def _done(self, ledger: Ledger, stop: Callable[[], bool]) -> bool:
        name, fed = type(self._sink).__name__, False
        with fence(f"ledger.sink.{name}"):
            try:
                feed(ledger, self._sink, stop=stop)
                if not stop():
                    self.fed_seq = ledger.entries.last_seq()
            except (GenAICostError, OSError, RuntimeError) as error:
                _logger.error("sink %s: %s; it is fed again next time", name, error)
            else:
                fed = True
        return fed
