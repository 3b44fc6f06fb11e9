"""A row of the table of instrumentations, and the facts that rows of several languages share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from otel_genai_cost.usage.read import PROVIDERS_OWN, Facts, Known, Reading, SpanView

__all__ = ["NO_AUDIO", "NO_WRITE", "OUTSIDE", "TOTALS", "UNPROVEN", "Read", "Row", "of", "rows"]

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


def of(
    name: str,
    read: Read,
    facts: Facts = PROVIDERS_OWN,
    *,
    provider: str = "",
    missing: str = "",
    wrong: str = "",
) -> Row:
    """A row whose publisher is still to be named by `rows`."""
    return Row(name, "", "", read, facts, provider, missing, wrong)


def rows(prefix: str, versions: str, label: str, *each: Row) -> tuple[Row, ...]:
    """Rows of one publisher, who names scopes alike."""
    return tuple(
        row._replace(scope=prefix + row.scope, versions=versions, label=label) for row in each
    )


OUTSIDE: Final = Facts(cache_outside=True)
NO_AUDIO: Final = Facts(lost=("input_audio", "output_audio"))
NO_WRITE: Final = Facts(lost=("cache_write", "input_audio", "output_audio"))
TOTALS: Final = Facts(lost=("cache_read", "cache_write", "input_audio", "output_audio"))
UNPROVEN: Final = Facts(unproven=True)
