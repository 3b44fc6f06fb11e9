"""The closed vocabularies of the wire, the journal and the ledger, each written once.

Values may be added, never reused and never renamed: they stand in journals, in ledgers and in other people's scripts.
What a newer version wrote and this one does not know is read by `word`, as the value that claims least.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, TypeVar, get_args

__all__ = [
    "ABSENCES",
    "ATTRIBUTION_SOURCES",
    "CAUSES",
    "COST_STATUSES",
    "LINE_KINDS",
    "QUALITIES",
    "REASONS",
    "ROLES",
    "SIDES",
    "Absence",
    "AttributionSource",
    "Cause",
    "CostSource",
    "CostStatus",
    "Initiator",
    "LineKind",
    "Quality",
    "Reason",
    "Role",
    "Side",
    "word",
]

Role: TypeAlias = Literal["response", "poll", "aggregate", "cumulative", "context"]
"""What a span stands for. `response`: one response of a provider. `poll`: a stored response, read again. `aggregate`:
what is below it, repeated or added up. `cumulative`: a running total, in which no one call can be
found. `context`: no usage, but a tenant or labels."""

Quality: TypeAlias = Literal["reported", "estimated", "inconsistent", "unknown"]
"""How far usage is to be trusted. `reported`: the token leaves re-add to the provider's totals. `estimated`: somebody's
guess, or a price that rests on a default. `inconsistent`: the numbers contradict each other. `unknown`: there are none.
"""

CostStatus: TypeAlias = Literal["priced", "partial", "unpriced"]
"""Whether a call has a price. `partial`: some of its leaves do, a lower bound."""

CostSource: TypeAlias = Literal["book", "provider"]
"""Whose figure a cost is: worked out from the price book, or the provider's own."""

Reason: TypeAlias = Literal[
    "ambiguous_provider",
    "ambiguous_scope",
    "invalid_time",
    "invalid_usage",
    "missing_model",
    "missing_usage",
    "no_fx_rate",
    "no_price_book",
    "non_token_billing",
    "not_billed",
    "not_compiled",
    "out_of_effective_range",
    "poll_without_call",
    "undated_change",
    "unfinished",
    "unknown_model",
    "unknown_provider",
    "unpriced_component",
    "unpriced_tier",
    "untold_fee",
    "untrusted_usage",
]
"""Why a cost is not known, or, `not_billed`, why it is nothing. `reports/words.py` says what each means and what to do.
"""

AttributionSource: TypeAlias = Literal[
    "for_tenant", "token", "edge", "envelope", "baggage", "span", "resource", "trace"
]
"""What named the tenant, the most trusted first. `trace`: no span but another one of the same trace."""

Absence: TypeAlias = Literal["missing", "stale", "edge_bypassed", "conflict", "invalid", "system"]
"""Why a call has no tenant. `system`: work that the platform does for itself."""

Initiator: TypeAlias = Literal["user", "system"]
"""Who set the work off: a customer, or the platform itself."""

LineKind: TypeAlias = Literal["list", "provider", "discount", "markup", "share"]
"""What a line of a receipt is. `provider`: the provider's own figure for the whole response, quantity 1."""

Side: TypeAlias = Literal["cost", "price"]
"""Whose money a line is. `cost`: what we pay the provider. `price`: what it adds for the customer, whose price is all
lines together."""

Cause: TypeAlias = Literal[
    "charged", "enriched", "duplicate", "reattributed", "rerated", "reconciled", "unlinked"
]
"""Why an entry was posted."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
QUALITIES: Final[tuple[Quality, ...]] = get_args(Quality)
COST_STATUSES: Final[tuple[CostStatus, ...]] = get_args(CostStatus)
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
ATTRIBUTION_SOURCES: Final[tuple[AttributionSource, ...]] = get_args(AttributionSource)
ABSENCES: Final[tuple[Absence, ...]] = get_args(Absence)
CAUSES: Final[tuple[Cause, ...]] = get_args(Cause)
LINE_KINDS: Final[tuple[LineKind, ...]] = get_args(LineKind)
SIDES: Final[tuple[Side, ...]] = get_args(Side)

_Word = TypeVar("_Word", bound=str)


def word(value: object, known: tuple[_Word, ...], otherwise: _Word) -> _Word:
    """Read a value of a vocabulary that may have been written by a newer version.

    Args:
        value: What was read.
        known: The vocabulary.
        otherwise: The value that claims least.

    Returns:
        The value if it is one of `known`, else `otherwise`.
    """
    for each in known:
        if each == value:
            return each
    return otherwise
