"""What of some calls is not known, and what to do about it: those without a price, without a tenant, estimated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, Literal, NamedTuple, Protocol

from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import Group
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


class Report(Protocol):
    """`tables.report` of a store, or what gives the same."""

    def __call__(self, by: Sequence[str], selection: Selection) -> list[Group]:
        """What the calls selected come to, grouped."""
        ...


def gaps(report: Report, selection: Selection, groups: Sequence[Group]) -> Iterator[Gap]:
    """Everything that is not known of some calls.

    Args:
        report: gives what calls come to.
        selection: which calls.
        groups: the same by tenant: what they show to be none is not looked for.
    """
    if any(one.unpriced for one in groups):
        yield from _unpriced(report(["reason", "provider", "model"], selection))
    if any(one.keys["tenant"] is None for one in groups):
        for absent, of in _by(report(["absent"], selection), "absent"):
            if absent != _OWN_WORK and (calls := sum(one.calls for one in of)):
                meaning = ABSENT.get(absent, "")
                yield Gap(calls, "without a tenant", absent, meaning, amounts=_amounts(of))
    for quality, of in _by(report(["quality"], selection), "quality"):
        if quality == "estimated" and (calls := sum(one.calls for one in of)):
            yield Gap(calls, "estimated", quality, _ESTIMATED, amounts=_amounts(of))


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
