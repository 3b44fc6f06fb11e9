"""From usage to cost. Pure; the same call with the same book gives the same cost for ever.

`rate` is one sum of integers; `price` says the rest: which model, and why where there is no price.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from otel_genai_cost.pricing.cost import Cost, RateCard, unpriced
from otel_genai_cost.pricing.fees import billed_quantities, range_of, untold
from otel_genai_cost.pricing.resolve import Refusal
from otel_genai_cost.pricing.tariff import SCOPES, Schedule, Tariff, Tier
from otel_genai_cost.usage.leaves import INPUT_LEAVES, Usage
from otel_genai_cost.vocabulary import Reason

__all__ = ["Rated", "TariffSource", "price", "price_by", "rate", "tariff_of"]

_INPUT: Final = frozenset(INPUT_LEAVES)
_UNUSABLE: Final = ("inconsistent", "unknown")

Rated = tuple[int, RateCard]
"""A total in atto, and the row that it was rated by."""

_Terms = tuple[Mapping[str, int] | None, int, RateCard]
"""What a call is rated by: units, scale, row."""

_NO_TERMS: Final[_Terms] = (None, 1, RateCard())


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
    """The cost of a call, or an unpriced cost with its reason.

    Args:
        book: the price book, or whatever else finds a model's tariff.
        provider: any name of the provider; None if the call does not name one.
        model: the model that answered, else the one that was asked for; None if neither is known.
        usage: the leaves of the response.
        at_us: when the call ended, in unix microseconds: the rows of that time hold.
        context: the conditions of the call, by the names in `CONDITIONS`; other keys are ignored.
    """
    return price_by(tariff_of(book, provider, model, context), usage, at_us, context)


def price_by(
    tariff: Tariff | Refusal, usage: Usage, at_us: int, context: Mapping[str, Any]
) -> Cost:
    """The cost of a call whose tariff was found before.

    Args:
        tariff: the model's tariff, or why there is none.
        usage: the leaves of the response.
        at_us: when the call ended, in unix microseconds.
        context: the conditions of the call.
    """
    if isinstance(tariff, Refusal):
        return tariff.cost
    rated = rate(tariff, usage, at_us, context)
    if rated is None:
        return _judged(tariff, usage, at_us, context)
    total, row = rated
    return Cost("priced", None, "book", total, usage.leaves, row)


def tariff_of(
    book: TariffSource, provider: str | None, model: str | None, context: Mapping[str, Any]
) -> Tariff | Refusal:
    """The tariff of the model that a call ran on.

    Args:
        book: the price book, or whatever else finds a model's tariff.
        provider: any name of the provider; None if the call does not name one.
        model: the model that the call names; None if it names none.
        context: its `deployment_model` is the model behind an Azure deployment or a Bedrock profile of the caller's
            own.
    """
    if context and isinstance(run := context.get("deployment_model"), str) and run:
        model = run
    return book.tariff(provider, model)


def rate(tariff: Tariff, usage: Usage, at_us: int, context: Mapping[str, Any]) -> Rated | None:
    """The exact total of a usage under a tariff.

    Args:
        tariff: the model's tariff.
        usage: the leaves of the response.
        at_us: when the call ended, in unix microseconds.
        context: the conditions of the call.

    Returns:
        The total in atto and its row; None where a number is not the whole answer, which `price` gives.
    """
    leaves, total = usage.leaves, 0
    from_us, below, units, scale, row = tariff.latest_in(context) if context else tariff.latest
    if (
        at_us < from_us
        or not leaves
        or usage.quality != "reported"
        or (usage.input_total or 0) >= below
    ):
        terms = None if _is_output_alone(usage) else _terms(tariff, usage, at_us, context)
        units, scale, row = terms or _NO_TERMS
    if units is None:
        return None
    try:
        for leaf in leaves:
            total += leaves[leaf] * units[leaf]
    except KeyError:  # a leaf without a rate
        return None
    return total * scale, row


def _terms(tariff: Tariff, usage: Usage, at_us: int, context: Mapping[str, Any]) -> _Terms | None:
    """The units, the scale and the row that hold for a call; None if none do, or there is nothing to rate."""
    schedule = tariff.schedule(context) if context else tariff.standard
    if not schedule or not usage.leaves or usage.quality in _UNUSABLE:
        return None
    for from_us, to_us, tiers, units, scale, row in schedule:
        if from_us <= at_us:
            break
    else:
        return None
    if at_us >= to_us:
        return None
    if tiers and (tier := _tier(tiers, usage, at_us)) is not None:
        _, units, scale, row, _ = tier
    return units, scale, row


def _judged(tariff: Tariff, usage: Usage, at_us: int, context: Mapping[str, Any]) -> Cost:
    """The cost where a sum is not the answer: a leaf has no rate of its own, a rate does not divide, or none holds."""
    terms = _terms(tariff, usage, at_us, context)
    if terms is None or (terms[0] is None and not terms[2].rates):
        return _refused(tariff, usage, at_us, context)
    cost = _careful(terms[2], usage.leaves)
    if cost.status == "priced" and _is_output_alone(usage):
        return Cost("partial", "unfinished", quantities=cost.quantities, row=cost.row)
    return cost


def _is_output_alone(usage: Usage) -> bool:
    """Whether of an answer that was left it is known what came, and not what was asked: there was an input, and it is
    billed."""
    return usage.low is not None and "output" in usage.leaves and not _INPUT & usage.leaves.keys()


def _tier(tiers: tuple[Tier, ...], usage: Usage, at_us: int) -> Tier | None:
    """The tier that the whole request falls into: its input total, cached and written tokens included, and its hour."""
    input_total = usage.input_total or 0
    for tier in tiers:
        if input_total >= tier[0] and (tier[4] is None or tier[4].strikes(at_us)):
            return tier
    return None


def _refused(tariff: Tariff, usage: Usage, at_us: int, context: Mapping[str, Any]) -> Cost:
    """Why a call cannot be priced; the usage is looked at first."""
    if usage.quality == "inconsistent":
        reason: Reason = "invalid_usage"
    elif usage.quality == "estimated" and not usage.leaves:
        reason = "untrusted_usage"
    elif usage.quality == "unknown" or not usage.leaves:
        reason = "missing_usage"
    else:
        reason = _no_row(tariff, at_us, context)
    return unpriced(reason, tariff.book, tariff.model)


def _no_row(tariff: Tariff, at_us: int, context: Mapping[str, Any]) -> Reason:
    """`unpriced_tier`: a price at that time, but not under these conditions; `ambiguous_scope`: only rows that name a
    scope, and the call names none; `undated_change`: between two prices, and no source dates the change."""
    schedule = tariff.schedule(context)
    if schedule and _is_between(schedule, at_us):
        return "undated_change"
    if schedule is None or _holds(schedule, at_us):
        return "ambiguous_scope" if _is_unplaced(tariff, context) else "unpriced_tier"
    return "unpriced_tier" if _holds(tariff.standard, at_us) else "out_of_effective_range"


def _holds(schedule: Schedule, at_us: int) -> bool:
    return any(period[0] <= at_us < period[1] for period in schedule)


def _is_between(schedule: Schedule, at_us: int) -> bool:
    """Whether a row says that the price changed at that time, or none holds between two that do."""
    for from_us, to_us, *_, row in schedule:
        if from_us <= at_us < to_us:
            return row.is_undated
    return schedule[-1][0] <= at_us < schedule[0][0]


def _is_unplaced(tariff: Tariff, context: Mapping[str, Any]) -> bool:
    """Whether rows exist for what the call names together with a scope that it does not name, and none for it alone."""
    asked = tariff.conditions(context)
    left_out = [scope for scope in SCOPES if scope not in dict(asked)]
    unscoped = (
        tuple(item for item in named if item[0] not in left_out) for named in tariff.schedules
    )
    return asked not in tariff.schedules and asked in unscoped


def _careful(row: RateCard, leaves: Mapping[str, int]) -> Cost:
    """Leaves without a rate, rates that do not divide or are a default, and fees beside what the usage counts."""
    quantities = billed_quantities(row.fees, leaves)
    used = [leaf for leaf, quantity in quantities.items() if quantity]
    rated = [leaf for leaf in used if leaf in row.rates]
    if used and not rated:
        return unpriced("unpriced_component", row.book, row.model)
    if len(rated) < len(used):
        return Cost("partial", "unpriced_component", quantities=quantities, row=row)
    if any(untold(row.fees, leaves)):
        return Cost("partial", "untold_fee", quantities=quantities, row=row)
    total = sum([row.rates[leaf].amount(quantities[leaf]) for leaf in rated])
    bounds = range_of(row.fees, row.rates, quantities, total)
    return Cost("priced", total=total, quantities=quantities, row=row, bounds=bounds)
