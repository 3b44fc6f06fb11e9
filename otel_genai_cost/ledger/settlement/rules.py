"""By which rule the ledger joins two observations; what proves it is said in `journal/same_response.py`. Pure."""

from __future__ import annotations

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.same_response import RULES

__all__ = ["may_join"]


def may_join(
    one: Observation, other: Observation, unlinks: frozenset[str] = frozenset()
) -> int | None:
    """The strongest rule that holds between two observations, None if they are two responses."""
    if one.id == other.id:
        return 0
    if one.id in unlinks or other.id in unlinks:
        return None
    for number, rule in RULES:
        if rule(one, other):
            return number
    return None
