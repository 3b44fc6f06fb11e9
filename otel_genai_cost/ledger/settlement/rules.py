"""What two observations prove of one another: the rules of settlement, the strongest first. Pure.

`may_join` is evidence that two are one response, `may_be_one` that nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.evidence import SKEW_US, is_anytime

__all__ = ["RULES", "input_of", "is_kin", "may_be_one", "may_join"]


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


def may_be_one(one: Observation, other: Observation) -> bool:
    """Whether nothing speaks against two observations being one response: it takes more than this to join them.

    One scope sees a response once, unless its spans are nested or ran at the same time under one id. Two spans side by
    side must have run at the same time. Different usage is another response's.
    """
    if one.id == other.id or "poll" in (one.reading.role, other.reading.role):
        return True
    if input_of(one) != input_of(other) and None not in (input_of(one), input_of(other)):
        return False
    if is_kin(one, other):
        return True
    same_scope = one.reporter == other.reporter and one.origin.process == other.origin.process
    mine, theirs = one.reading, other.reading
    if mine.response_id is not None and mine.response_id == theirs.response_id:
        return not same_scope or _may_meet(one, other)
    return not same_scope and _overlap(one, other)


def _same_response(one: Observation, other: Observation) -> bool:
    """Rule 1. An equal id alone proves nothing: one provider draws from 999 ids."""
    mine, theirs = one.reading, other.reading
    if mine.response_id is None or mine.response_id != theirs.response_id:
        return False
    if mine.provider != theirs.provider:
        return False
    if "poll" in (mine.role, theirs.role):
        return True
    unknown = input_of(one) is None or input_of(other) is None
    if not unknown and input_of(one) != input_of(other):
        return False
    return _may_meet(one, other)


def _nested(one: Observation, other: Observation) -> bool:
    """Rule 2: above one another, and equal usage. A different usage is an LLM called inside an LLM call."""
    return is_kin(one, other) and input_of(one) is not None and input_of(one) == input_of(other)


def _side_by_side(one: Observation, other: Observation) -> bool:
    """Rule 3, as far as two can tell."""
    if one.reporter == other.reporter or one.origin.process != other.origin.process:
        return False
    tenants = {one.attribution.tenant, other.attribution.tenant} - {None}
    if len(tenants) > 1 or input_of(one) is None or input_of(one) != input_of(other):
        return False
    outputs = {one.reading.usage.output_total, other.reading.usage.output_total} - {None}
    return len(outputs) <= 1 and _overlap(one, other)


RULES: Final[tuple[tuple[int, Callable[[Observation, Observation], bool]], ...]] = (
    (1, _same_response),
    (2, _nested),
    (3, _side_by_side),
)
"""Strongest first; rule 0 is identity."""


def input_of(one: Observation) -> int | None:
    return one.reading.usage.input_total


def is_kin(one: Observation, other: Observation) -> bool:
    return one.trace_id == other.trace_id and (
        one.span_id in other.path or other.span_id in one.path
    )


def _overlap(one: Observation, other: Observation) -> bool:
    return _shared_us(one, other) >= -SKEW_US


def _meet(one: Observation, other: Observation) -> bool:
    """Overlap; one scope in one process has one clock, so there it must be real."""
    same_clock = one.reporter == other.reporter and one.origin.process == other.origin.process
    return _shared_us(one, other) >= (0 if same_clock else -SKEW_US)


def _may_meet(one: Observation, other: Observation) -> bool:
    """Whether two that have one id met, or need not have: results fetched from a batch."""
    return _meet(one, other) or (is_anytime(one) and is_anytime(other))


def _shared_us(one: Observation, other: Observation) -> int:
    return min(one.end_us, other.end_us) - max(one.start_us, other.start_us)
