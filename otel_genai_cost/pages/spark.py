"""A line as high as a word: how amounts went over time, as SVG that needs nothing but the page."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from markupsafe import Markup, escape

__all__ = ["spark"]

_WIDTH: Final = 96
_HEIGHT: Final = 22


def spark(amounts: Sequence[Decimal], what: str) -> Markup:
    """The line of some amounts; nothing where there are fewer than two.

    Args:
        amounts: in the order of time.
        what: they are, for who cannot see it.
    """
    if len(amounts) < 2:
        return Markup("")
    low, high = min(*amounts, Decimal(0)), max(*amounts, Decimal(0))
    tall, step = (high - low) or Decimal(1), Decimal(_WIDTH - 2) / (len(amounts) - 1)
    points = " ".join(
        f"{1 + step * at:.1f},{_HEIGHT - 2 - (one - low) / tall * (_HEIGHT - 4):.1f}"
        for at, one in enumerate(amounts)
    )
    return Markup(
        f'<svg class="spark" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{escape(what)}"><polyline points="{points}"/></svg>'
    )
