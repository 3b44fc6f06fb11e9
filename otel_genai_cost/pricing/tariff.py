"""A model's price rows, compiled: which row holds at a time, under the conditions of a call. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.clock import Clock
from otel_genai_cost.pricing.cost import RateCard
from otel_genai_cost.usage.leaves import QUANTITY_LIMIT

__all__ = [
    "ANY_SCOPE",
    "CONDITIONS",
    "FOREVER_US",
    "SCOPES",
    "Conditions",
    "Period",
    "Schedule",
    "Tariff",
    "Tier",
]

CONDITIONS: Final = (
    "batch",
    "service_tier",
    "speed",
    "inference_geo",
    "region",
    "deployment_type",
    "search_context_size",
    "resolution",
)
"""Keys of a call's context that choose a price. `batch` is a bool, the others are words."""

FOREVER_US: Final = 1 << 62
"""The end of a period that is in force."""

ANY_SCOPE: Final = "*"
"""A region or deployment type that a row names to hold for each one that has no row of its own."""

SCOPES: Final = ("region", "deployment_type")
"""Conditions that say where a call runs."""

_SIZES: Final = frozenset({"search_context_size", "resolution"})
"""Conditions that mean nothing to a model whose rows do not name them."""

_NO_SUCH_WORD: Final = "\0"
"""Stands for a condition of a type that no row can name."""

_CONTEXTS_LIMIT: Final = 64
_TEXT_LIMIT: Final = 1_000
"""Characters of a context that is worth remembering; more is hostile or broken."""

Conditions = tuple[tuple[str, str | bool], ...]
"""A conjunction of conditions, in the order of CONDITIONS."""

Tier = tuple[int, Mapping[str, int] | None, int, RateCard, Clock | None]
"""Least input total, then as in a period: units, scale, row; and the hours and days it holds in, None for all."""

Period = tuple[int, int, tuple[Tier, ...], Mapping[str, int] | None, int, RateCard]
"""One half-open span of time: from, to, what goes before its base row (by the clock first, then the highest
whole-request tier), units, scale, row.

A leaf costs `units[leaf] * scale` atto: small integers multiply fastest. `units` has the leaves that are always billed
so, and is None where no call is. Plain tuples, because Python unpacks those twice as fast as named ones.
"""


class _Steady(NamedTuple):
    """What rates calls from one time until another, of less than `below` tokens of input; then as in a period."""

    from_us: int
    to_us: int
    below: int
    units: Mapping[str, int]
    scale: int
    row: RateCard


_Latest = tuple[int, int, Mapping[str, int] | None, int, RateCard]
"""From when, below how much input, then as in a period: units, scale, row."""

Schedule = tuple[Period, ...]
"""The periods of one conjunction of conditions, latest first."""


class Tariff:
    """Everything the book knows of one model, by conditions.

    `standard` is the schedule of the empty conjunction, `latest` its newest row where nothing else is to be looked at.
    Never changes, but for a bounded memory of the contexts that were asked for.

    Args:
        model: PROVIDER/MODEL, by the book's ids.
        book: the digest of the book.
        usual: condition -> the words of it that mean that nothing was asked for.
        schedules: conditions -> the periods that hold under them.
    """

    __slots__ = ("_contexts", "_named", "book", "latest", "model", "schedules", "standard", "usual")

    def __init__(
        self,
        model: str,
        book: str,
        usual: Mapping[str, frozenset[str]],
        schedules: Mapping[Conditions, Schedule],
    ) -> None:
        self.model, self.book = model, book
        self.usual, self.schedules = usual, schedules
        self.standard: Schedule = schedules.get((), ())
        self.latest = _latest(self.standard)
        self._named = {key for conditions in schedules for key, _ in conditions}
        self._contexts: dict[tuple[tuple[str, Any], ...], tuple[Schedule | None, _Latest]] = {}

    def schedule(self, context: Mapping[str, Any]) -> Schedule | None:
        """The periods that hold under the context's conditions; None where no row names them."""
        return self._under(context)[0]

    def latest_in(self, context: Mapping[str, Any]) -> _Latest:
        """What `latest` is to the standard, under the context's conditions."""
        return self._under(context)[1]

    def _under(self, context: Mapping[str, Any]) -> tuple[Schedule | None, _Latest]:
        key = tuple(context.items())
        try:
            return self._contexts[key]
        except KeyError:
            found = self._looked_up(context)
            if len(self._contexts) >= _CONTEXTS_LIMIT:
                self._contexts.clear()
            if (
                sum(len(value) for value in context.values() if isinstance(value, str))
                < _TEXT_LIMIT
            ):
                self._contexts[key] = found
            return found
        except TypeError:  # a foreign value that cannot be hashed
            return self._looked_up(context)

    def _looked_up(self, context: Mapping[str, Any]) -> tuple[Schedule | None, _Latest]:
        found = self._find(context)
        return found, _latest(found or ())

    def _find(self, context: Mapping[str, Any]) -> Schedule | None:
        """The schedule of the scopes the call names, else of any scope, else of none, the region given up first."""
        conditions = self.conditions(context)
        for stand_in in _stand_ins(dict(conditions)):
            named = [(key, stand_in.get(key, word)) for key, word in conditions]
            found = self.schedules.get(tuple(item for item in named if item[1]))
            if found is not None:
                return found
        return None

    def conditions(self, context: Mapping[str, Any]) -> Conditions:
        """The part of a context that chooses a price, without what means standard."""
        words = {key: _word(context.get(key)) for key in CONDITIONS}
        if words["service_tier"] == "batch":  # the providers' own word for it
            words.update(batch=True, service_tier="")
        return tuple(
            (key, word) for key, word in words.items() if word and self._chooses(key, word)
        )

    def _chooses(self, key: str, word: str | bool) -> bool:
        """Whether a condition asks for something else than the standard."""
        return word not in self.usual.get(key, ()) and (key not in _SIZES or key in self._named)


def _latest(schedule: Schedule) -> _Latest:
    """The newest row of a schedule, if it is in force at any hour: what nearly every call is priced by, up to its first
    long-context tier. Else one that never begins."""
    newest = _steady(schedule[0]) if schedule else None
    if newest is None or newest.to_us != FOREVER_US:
        return (FOREVER_US, 0, None, 1, RateCard())
    return newest.from_us, newest.below, newest.units, newest.scale, newest.row


def _steady(period: Period) -> _Steady | None:
    """A period below its first long-context tier; None where the hour matters too, or there are no units."""
    from_us, to_us, tiers, units, scale, row = period
    if units is None or any(clock is not None for *_, clock in tiers):
        return None
    below = min((least for least, *_ in tiers), default=QUANTITY_LIMIT)
    return _Steady(from_us, to_us, below, units, scale, row)


def _stand_ins(conditions: Mapping[str, str | bool]) -> Iterator[Mapping[str, str]]:
    """What may take the place of the scopes that a call names: a scope's own row before `*`, that before none."""
    region, deployment_type = (
        [None, ANY_SCOPE, ""] if key in conditions else [None] for key in SCOPES
    )
    for kind, place in product(deployment_type, region):
        chosen = {"region": place, "deployment_type": kind}
        yield {key: word for key, word in chosen.items() if word is not None}


def _word(value: object) -> str | bool:
    """The condition's value, "" for none; equal values give equal words, because the memory of contexts goes by
    equality."""
    if value in (None, False, ""):
        return ""
    if isinstance(value, str):
        return value.casefold()
    return True if value == 1 else _NO_SUCH_WORD
