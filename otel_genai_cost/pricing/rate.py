"""From usage to cost: one integer loop. Pure; the same call with the same book gives the same cost for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from otel_genai_cost.pricing.cost import Cost, Rate, Vector, unpriced
from otel_genai_cost.pricing.resolve import Refusal
from otel_genai_cost.usage.leaves import Usage

__all__ = ["CONDITIONS", "FOREVER_US", "Period", "Schedule", "Tariff", "price", "rate"]

CONDITIONS: Final = (
    "batch",
    "service_tier",
    "speed",
    "inference_geo",
    "region",
    "deployment_type",
)
"""Keys of a call's context that choose a price. `batch` is a bool, the others are words."""

_SCOPES: Final = ("region", "deployment_type")
"""A row that names none of these is the default for calls whose own scope has no row."""

_UNUSABLE: Final = ("inconsistent", "unknown")
_new_cost: Callable[..., Cost] = tuple.__new__  # pyright: ignore -- tuple's own type has no parameter here
"""Twice as fast as calling the class, which would only pass its arguments on to this."""

FOREVER_US: Final = 1 << 62
"""The end of a period that is in force."""

_WRITES: Final = ("cache_write_5m", "cache_write_1h")


class Period(NamedTuple):
    """One half-open span of time: the base vector and the whole-request tiers, highest threshold first."""

    from_us: int
    to_us: int
    base: Vector
    tiers: tuple[tuple[int, Vector], ...]


Schedule = tuple[Period, ...]
"""The periods of one conjunction of conditions, latest first."""

Conditions = tuple[tuple[str, Any], ...]


class Tariff(NamedTuple):
    """Everything the book knows of one model, by conditions. `standard` is that of the empty conjunction."""

    model: str
    book: str
    standard_tiers: frozenset[str]
    standard: Schedule | None
    schedules: Mapping[Conditions, Schedule]


class TariffSource(Protocol):
    """What `price` needs of a book."""

    def tariff(self, provider: str | None, model: str | None) -> Tariff | Refusal: ...


def price(
    book: TariffSource,
    provider: str | None,
    model: str | None,
    usage: Usage,
    at_us: int,
    context: Mapping[str, Any],
) -> Cost:
    """The cost of `usage` at `at_us` (unix microseconds), or an unpriced cost with its reason."""
    tariff = book.tariff(provider, model)
    if isinstance(tariff, Refusal):
        return tariff.cost
    return rate(tariff, usage, at_us, context)


def rate(tariff: Tariff, usage: Usage, at_us: int, context: Mapping[str, Any]) -> Cost:
    """The cost of `usage` under `tariff`."""
    leaves = usage.leaves
    schedule = _schedule(tariff, context) if context else tariff.standard
    if schedule is None or not leaves or usage.quality in _UNUSABLE:
        return _refused(tariff, usage, context)
    for from_us, to_us, vector, tiers in schedule:
        if from_us <= at_us:
            break
    else:
        return unpriced("out_of_effective_range", tariff.book, tariff.model)
    if at_us >= to_us:
        return unpriced("out_of_effective_range", tariff.book, tariff.model)
    if tiers:
        vector = _tier(vector, tiers, usage)
    if (units := vector.units) is None:
        return _careful(vector, leaves)
    total = 0
    try:
        for leaf in leaves:
            total += leaves[leaf] * units[leaf]
    except KeyError:
        return _careful(vector, leaves)
    return _new_cost(Cost, ("priced", None, "book", total, leaves, vector))


def _refused(tariff: Tariff, usage: Usage, context: Mapping[str, Any]) -> Cost:
    """Why a call cannot be priced; the usage is looked at first."""
    if usage.quality == "inconsistent":
        reason = "invalid_usage"
    elif usage.quality == "unknown" or not usage.leaves:
        reason = "missing_usage"
    else:
        reason = _no_schedule(tariff, context)
    return unpriced(reason, tariff.book, tariff.model)


def _tier(base: Vector, tiers: tuple[tuple[int, Vector], ...], usage: Usage) -> Vector:
    """The tier that the whole request falls into: its input total, cached and written tokens included."""
    input_total = usage.input_total or 0
    for threshold, vector in tiers:
        if input_total >= threshold:
            return vector
    return base


def _careful(vector: Vector, leaves: Mapping[str, int]) -> Cost:
    """Leaves without a rate of their own, and rates that do not divide: falls back where a rule says so."""
    if not vector.rates:
        return unpriced("unpriced_tier", vector.book, vector.model)
    rates = dict(vector.rates)
    missing = [leaf for leaf, quantity in leaves.items() if quantity and leaf not in rates]
    for leaf in missing:
        if (fallback := _fallback(leaf, vector.rates)) is not None:
            rates[leaf] = fallback
    row = vector._replace(rates=rates)
    if any(leaf not in rates for leaf in missing):
        return Cost("partial", "unpriced_component", quantities=leaves, row=row)
    total = sum(
        [rates[leaf].amount(quantity) for leaf, quantity in leaves.items() if leaf in rates]
    )
    return Cost("priced", total=total, quantities=leaves, row=row)


def _fallback(leaf: str, rates: Mapping[str, Rate]) -> Rate | None:
    """Reasoning is billed as output; a cache write of unknown lifetime by the row's only write rate."""
    if leaf == "reasoning":
        return rates.get("output")
    if leaf == "cache_write":
        writes = {rates[name] for name in _WRITES if name in rates}
        return writes.pop() if len(writes) == 1 else None
    return None


def _schedule(tariff: Tariff, context: Mapping[str, Any]) -> Schedule | None:
    """The schedule of the call's conditions; a scope that has no row of its own falls to the default one."""
    conditions = _conditions(tariff, context)
    found = tariff.schedules.get(conditions)
    if found is None and any(key in _SCOPES for key, _ in conditions):
        unscoped = tuple(item for item in conditions if item[0] not in _SCOPES)
        return tariff.schedules.get(unscoped)
    return found


def _conditions(tariff: Tariff, context: Mapping[str, Any]) -> Conditions:
    """The part of a context that chooses a price, without what means standard."""
    chosen: list[tuple[str, Any]] = []
    for key in CONDITIONS:
        value = context.get(key)
        if value is None or value is False or value == "":
            continue
        word = value if value is True else str(value).casefold()
        if not (key == "service_tier" and word in tariff.standard_tiers):
            chosen.append((key, word))
    return tuple(chosen)


def _no_schedule(tariff: Tariff, context: Mapping[str, Any]) -> str:
    """`ambiguous_scope` where only rows that name a scope exist and the call names none."""
    named = {key for key, _ in _conditions(tariff, context)}
    scoped = any(key in _SCOPES for conditions in tariff.schedules for key, _ in conditions)
    return "ambiguous_scope" if scoped and not named else "unpriced_tier"
