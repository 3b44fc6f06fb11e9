"""By which rule the ledger joins two observations; what proves it is said in `journal/same_response.py`. Pure."""

from __future__ import annotations

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.same_response import strongest_rule

__all__ = ["may_join"]


def may_join(
    one: Observation, other: Observation, unlinks: frozenset[str] = frozenset()
) -> int | None:
    """The strongest rule that holds between two observations.

    Args:
        one: an observation.
        other: another one, or a copy.
        unlinks: ids of observations that a person has said to stand alone.

    Returns:
        0 for two copies of one observation, else 1 to 3; None if they are two responses.
    """
    if one.id != other.id and (one.id in unlinks or other.id in unlinks):
        return None
    return strongest_rule(one, other)
