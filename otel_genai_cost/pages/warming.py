"""What people ask first, asked before they do: sums that are remembered then only have to be added to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Final

from otel_genai_cost.pages.asked import Asked, Defaults, asked_of
from otel_genai_cost.pages.data import Data, Source
from otel_genai_cost.pages.view import View
from otel_genai_cost.pages.viewer import LOCAL, Viewer, narrowed
from otel_genai_cost.pages.views import actions, models, overview, tenants

__all__ = ["warm"]

_View = Callable[[Data, Asked, Viewer], View]
_VIEWS: Final[tuple[_View, ...]] = (overview.view, tenants.view, models.view, actions.view)
_PERIODS: Final = ("month", "all")


def warm(source: Source) -> None:
    """Ask the first pages of everything, of this month and of all time.

    Args:
        source: where they have their data from.

    Raises:
        GenAICostError: if the figures cannot be read.
    """
    for period in _PERIODS:
        for view in _VIEWS:
            with closing(source.figures.reading()) as reading:
                data = source.data(reading)
                defaults = Defaults(source.tz, data.now_us, data.standing.last_us)
                asked = asked_of([("period", period)], {}, defaults)
                seen = narrowed(asked.selection, LOCAL, source.directory())
                view(data, asked._replace(selection=seen), LOCAL)
