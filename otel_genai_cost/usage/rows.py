"""A row of the table of instrumentations, and what several of them have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from otel_genai_cost.usage.read import PROVIDERS_OWN, Facts, Known, Reading, SpanView

__all__ = [
    "NO_AUDIO",
    "OUTSIDE",
    "TOTALS",
    "UNPROVEN",
    "Read",
    "Row",
    "row_of",
    "rows",
]

Read = Callable[[SpanView, Known], Reading | None]


class Row(NamedTuple):
    """One instrumentation, or what differs for one of its providers.

    A scope that ends in a dot or a dash means all below. `label` is `name/version` of the dialect. `provider` is empty
    for all; a row for one follows the row for all. `missing` says what is never told, `wrong` what is told wrong, and
    what becomes of it.
    """

    scope: str
    versions: str
    label: str
    read: Read
    facts: Facts = Facts()
    provider: str = ""
    missing: str = ""
    wrong: str = ""


def row_of(
    name: str,
    read: Read,
    facts: Facts = PROVIDERS_OWN,
    *,
    provider: str = "",
    missing: str = "",
    wrong: str = "",
) -> Row:
    """A row of `rows`, which knows the rest."""
    return Row(name, "", "", read, facts, provider, missing, wrong)


def rows(prefix: str, versions: str, label: str, *found: Row) -> tuple[Row, ...]:
    """Rows of one publisher, who names scopes alike."""
    return tuple(
        row._replace(scope=prefix + row.scope, versions=versions, label=label) for row in found
    )


OUTSIDE: Final = Facts(cache_outside=True)
NO_AUDIO: Final = Facts(lost=("input_audio", "output_audio"))
TOTALS: Final = Facts(lost=("cache_read", "cache_write", "input_audio", "output_audio"))
UNPROVEN: Final = Facts(unproven=True)
