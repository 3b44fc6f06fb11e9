"""What of some calls is not known, and what to do about it: those without a price, without a tenant, estimated."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import Group, report
from otel_genai_cost.reports.words import ABSENT, REASONS

__all__ = ["Gap", "GapKind", "gaps"]

GapKind = Literal["without a price", "without a tenant", "estimated"]

_ESTIMATED: Final = (
    "the provider said no usage, and it was reckoned from texts; see `genai-cost estimates`"
)
_OWN_WORK: Final = "system"


class Gap(NamedTuple):
    """Calls of which something is not known.

    Attributes:
        calls: how many.
        kind: what is not known.
        reason: why, in a word.
        meaning: why, in a sentence with what to do.
        models: which models they are of, most calls first; none where that does not matter.
        amounts: what is known of their cost all the same, by currency.
    """

    calls: int
    kind: GapKind
    reason: str
    meaning: str
    models: tuple[str | None, ...] = ()
    amounts: tuple[tuple[str, Decimal], ...] = ()


def gaps(store: Queryable, selection: Selection, until_seq: int | None = None) -> Iterator[Gap]:
    """Everything that is not known of some calls.

    Args:
        store: what holds the entries.
        selection: which calls.
        until_seq: the last entry that counts.
    """
    yield from _unpriced(report(store, ["reason", "provider", "model"], selection, until_seq))
    for absent, groups in _by(report(store, ["absent"], selection, until_seq), "absent"):
        if absent != _OWN_WORK and (calls := sum(one.calls for one in groups)):
            meaning = ABSENT.get(absent, "")
            yield Gap(calls, "without a tenant", absent, meaning, amounts=_amounts(groups))
    for quality, groups in _by(report(store, ["quality"], selection, until_seq), "quality"):
        if quality == "estimated" and (calls := sum(one.calls for one in groups)):
            yield Gap(calls, "estimated", quality, _ESTIMATED, amounts=_amounts(groups))


def _unpriced(groups: list[Group]) -> Iterator[Gap]:
    for reason, its in _by(groups, "reason"):
        of = sorted((one for one in its if one.unpriced), key=lambda one: -one.unpriced)
        if calls := sum(one.unpriced for one in of):
            models = tuple(dict.fromkeys(one.keys["model"] for one in of))
            yield Gap(calls, "without a price", reason, REASONS.get(reason, ""), models)


def _by(groups: list[Group], name: str) -> Iterator[tuple[str, list[Group]]]:
    """Groups by the value of a dimension, where there is one."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        value = group.keys[name]
        if value is not None:
            found.setdefault(value, []).append(group)
    yield from found.items()


def _amounts(groups: list[Group]) -> tuple[tuple[str, Decimal], ...]:
    return tuple((one.currency, one.at_least) for one in groups if one.at_least is not None)
