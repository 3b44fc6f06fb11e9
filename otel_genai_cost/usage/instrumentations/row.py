"""A row of the table of instrumentations, and the facts that rows of several languages share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from otel_genai_cost.usage.read import PROVIDERS_OWN, Facts, Known, Reading, SpanView

__all__ = [
    "NO_AUDIO",
    "NO_WRITE",
    "OUTSIDE",
    "OUTSIDE_LOST",
    "TOTALS",
    "UNPROVEN",
    "WRITE_UNKNOWN",
    "Family",
    "Read",
    "Row",
    "of",
    "rows",
]

Read = Callable[[SpanView, Known], Reading | None]


class Family(NamedTuple):
    """What the instrumentations of one publisher have in common: `name/version` of the dialect, and the attributes it
    reads, or that repeat what it reads."""

    label: str
    reads: frozenset[str]


class Row(NamedTuple):
    """One instrumentation, or what differs for some of its releases or for one of its providers.

    A scope that ends in a dot or a dash means all below. `versions` are the releases it was recorded in, as
    `releases` writes them; empty where the scope carries no version. `provider` is empty for all; a row for one
    follows the row for all. `missing` says what is never reported, `wrong` what is wrong, and what becomes of
    it.
    """

    scope: str
    versions: str
    family: Family
    read: Read
    facts: Facts = Facts()
    provider: str = ""
    missing: str = ""
    wrong: str = ""

    @property
    def label(self) -> str:
        """`name/version` of the dialect."""
        return self.family.label


def of(
    name: str,
    read: Read,
    facts: Facts = PROVIDERS_OWN,
    *,
    versions: str | None = None,
    provider: str = "",
    missing: str = "",
    wrong: str = "",
) -> Row:
    """A row that `rows` completes with its publisher, and with the versions unless it has its own.

    Args:
        name: the scope, after the publisher's prefix.
        read: the dialect.
        facts: what is known of its counts.
        versions: its own versions, as `releases` writes them; None for the publisher's.
        provider: the only provider that it holds for; empty for all.
        missing: what is never reported, for the documentation.
        wrong: what is reported wrongly, and what becomes of it, for the documentation.
    """
    return Row(
        scope=name,
        versions=_SAME if versions is None else versions,
        family=_NOBODY,
        read=read,
        facts=facts,
        provider=provider,
        missing=missing,
        wrong=wrong,
    )


def rows(prefix: str, versions: str, family: Family, *each: Row) -> tuple[Row, ...]:
    """The rows of one publisher.

    Args:
        prefix: what its scopes begin with.
        versions: the releases that were recorded; empty where scopes carry no version.
        family: the dialect that they share.
        each: rows that `of` made.
    """
    return tuple(
        row._replace(
            scope=prefix + row.scope,
            versions=versions if row.versions is _SAME else row.versions,
            family=family,
        )
        for row in each
    )


_SAME: Final = "the publisher's"
_NOBODY: Final = Family("", frozenset())

OUTSIDE: Final = Facts(cache_outside=True)
NO_AUDIO: Final = Facts(lost=("input_audio", "output_audio"))
NO_WRITE: Final = Facts(lost=("cache_write", "input_audio", "output_audio"))
TOTALS: Final = Facts(lost=("cache_read", "cache_write", "input_audio", "output_audio"))
UNPROVEN: Final = Facts(unproven=True)
OUTSIDE_LOST: Final = Facts(cache_outside=True, lost=("cache_read", "cache_write"))
WRITE_UNKNOWN: Final = Facts(lost=("cache_read", "cache_write"), zero_lost=("cache_write",))
