"""What a panel of a dashboard shows: values, that a builder makes JSON of and that tests ask a store."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Look", "PanelOf"]

Look = Literal["stat", "bars", "lines", "table"]
"""`bars` are stacked over time, `lines` are not."""


class PanelOf(NamedTuple):
    """A panel.

    Attributes:
        title: stands above it, and is its name in tests.
        look: how it is drawn.
        query: what it asks; of several, those after the first are `more`.
        about: stands behind the `i` of the panel.
        width: of the 24 columns of a dashboard.
        height: in rows.
        unit: as Grafana has it; "" for a plain number.
        legend: of a series that Prometheus gives.
    """

    title: str
    look: Look
    query: str
    about: str
    width: int = 12
    height: int = 8
    unit: str = ""
    legend: str = ""
