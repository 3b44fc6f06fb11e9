"""One line of the table of `make faults-act`."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """What was done, what was to come of it, what came, whether that holds, and how long it took."""

    name: str
    wanted: str
    found: str
    held: bool
    seconds: float
