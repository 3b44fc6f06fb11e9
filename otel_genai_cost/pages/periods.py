"""A period, how much of it is over, and the one before it. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from otel_genai_cost.pages.asked import Asked, month_before
from otel_genai_cost.pricing.instants import local_clock, midnight_us
from otel_genai_cost.reports.selection import Selection

__all__ = ["Over", "before", "over"]


_MINUTE_US: Final = 60_000_000


class Over(NamedTuple):
    """How much of a period is over, in microseconds.

    Attributes:
        past_us: so much.
        length_us: of so much.
    """

    past_us: int
    length_us: int

    @property
    def is_running(self) -> bool:
        """Whether it began, and is not over."""
        return 0 < self.past_us < self.length_us

    def forecast(self, amount: Decimal) -> Decimal:
        """What an amount comes to by the end if it goes on as it did so far.

        Args:
            amount: of what is over.
        """
        return amount * self.length_us / self.past_us


def over(selection: Selection, now_us: int) -> Over | None:
    """How much of a period is over; None for one without a beginning or an end.

    Args:
        selection: which period.
        now_us: the present.
    """
    if selection.from_us is None or selection.to_us is None:
        return None
    length_us = selection.to_us - selection.from_us
    return Over(min(max(now_us - selection.from_us, 0), length_us), length_us)


def before(asked: Asked) -> Selection | None:
    """The same calls of the period before: of a calendar month the month before, else a stretch as long, up to where
    this one begins. Of a period that is not over, as much of the one before as has passed of it; None where there is no
    beginning, or none before it.

    Args:
        asked: for the period.
    """
    chosen = asked.selection
    if chosen.from_us is None:
        return None
    # to the minute, so that one question stays the same for a while
    now_us = asked.now_us - asked.now_us % _MINUTE_US
    to_us = now_us if chosen.to_us is None else chosen.to_us
    past_us = min(to_us, now_us) - chosen.from_us
    if past_us <= 0:
        return None
    from_us = _month_before(chosen) if asked.is_month else 2 * chosen.from_us - to_us
    until_us = chosen.from_us if now_us >= to_us else from_us + past_us
    if from_us < 0:
        return None
    return chosen._replace(from_us=from_us, to_us=min(until_us, chosen.from_us))


def _month_before(chosen: Selection) -> int:
    first = local_clock(chosen.from_us or 0, chosen.zone).date()
    return midnight_us(month_before(first), chosen.zone)
