"""What speaks for and against two observations being one provider response. Pure.

The live view and the ledger ask the same questions here: the view of a few that a process remembers, the ledger of all
that it has. `strongest_rule` is evidence that two are one response, `may_be_one` that nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from otel_genai_cost.usage.read import UNFINISHED
from otel_genai_cost.vocabulary import Role

__all__ = [
    "SKEW_US",
    "TWO_COUNTS",
    "Described",
    "are_nested",
    "has_failed",
    "is_anytime",
    "may_be_one",
    "overlap",
    "strongest_rule",
]

SKEW_US: Final = 2_000_000
"""Clocks of two processes that describe one response may differ by this much."""

TWO_COUNTS: Final = frozenset({"cohere"})
"""Providers that report what went through the model and what they bill, which differ: some instrumentations report the
one, some the other, and our own clients what is billed. Their ids are unique."""


class Described(Protocol):
    """What an observation says of its response, as far as two are compared. Times are unix microseconds, UTC.

    `path` holds the ids of the spans above, nearest first. `input_total` is None if no usage was reported. `reporter`
    is who describes it: a scope, or the library that a span is about.
    """

    @property
    def id(self) -> str: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...
    @property
    def path(self) -> Sequence[str]: ...
    @property
    def start_us(self) -> int: ...
    @property
    def end_us(self) -> int: ...
    @property
    def role(self) -> Role: ...
    @property
    def is_batch(self) -> bool: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def response_id(self) -> str | None: ...
    @property
    def input_total(self) -> int | None: ...
    @property
    def output_total(self) -> int | None: ...
    @property
    def reporter(self) -> str: ...
    @property
    def process(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...


def strongest_rule(one: Described, other: Described) -> int | None:
    """The number of the strongest rule that makes two observations one response.

    Returns:
        0 for two copies of one observation, else 1 to 3; None if they are two responses.
    """
    if one.id == other.id:
        return 0
    for number, rule in _RULES:
        if rule(one, other):
            return number
    return None


def may_be_one(one: Described, other: Described) -> bool:
    """Whether nothing speaks against two being one response: it takes more than this to join them.

    One reporter sees a response once, unless its spans are nested or ran at the same time under one id. Two spans side
    by side must have run at the same time. Different usage is another response's.
    """
    if one.id == other.id or "poll" in (one.role, other.role):
        return True
    if _inputs_differ(one, other):
        return False
    if are_nested(one, other):
        return True
    same_reporter = one.reporter == other.reporter and one.process == other.process
    if one.response_id is not None and one.response_id == other.response_id:
        return not same_reporter or _may_meet(one, other)
    return not same_reporter and overlap(one, other)


def are_nested(one: Described, other: Described) -> bool:
    """Whether one stands above the other."""
    return one.trace_id == other.trace_id and (
        one.span_id in other.path or other.span_id in one.path
    )


def overlap(one: Described, other: Described) -> bool:
    """Whether both ran at the same time, within what two clocks may differ by."""
    return _shared_us(one, other) >= -SKEW_US


def is_anytime(one: Described) -> bool:
    """Whether an equal response id joins without an overlap in time: a poll, and results fetched from a batch."""
    return one.role == "poll" or one.is_batch


def has_failed(one: Described) -> bool:
    """Whether the call failed; one whose stream was left did not."""
    return one.error not in (None, UNFINISHED)


def _equal_ids(one: Described, other: Described) -> bool:
    """Rule 1. An equal id alone proves nothing: one provider draws from 999 ids."""
    if one.response_id is None or one.response_id != other.response_id:
        return False
    if one.provider != other.provider:
        return False
    if "poll" in (one.role, other.role):
        return True
    return not _inputs_differ(one, other) and _may_meet(one, other)


def _nested(one: Described, other: Described) -> bool:
    """Rule 2: above one another, and equal usage. A different usage is an LLM called inside an LLM call."""
    return are_nested(one, other) and _have_equal_input(one, other)


def _side_by_side(one: Described, other: Described) -> bool:
    """Rule 3, as far as two can say: two reporters of one process, equal tokens, never two tenants."""
    if one.reporter == other.reporter or one.process != other.process:
        return False
    tenants = {one.tenant, other.tenant} - {None}
    if len(tenants) > 1 or not _have_equal_input(one, other):
        return False
    outputs = {one.output_total, other.output_total} - {None}
    return len(outputs) <= 1 and overlap(one, other)


_RULES: Final[tuple[tuple[int, Callable[[Described, Described], bool]], ...]] = (
    (1, _equal_ids),
    (2, _nested),
    (3, _side_by_side),
)
"""Strongest first; rule 0 is identity."""


def _have_equal_input(one: Described, other: Described) -> bool:
    """Whether both know their input, and it is the same. Outputs may differ: a stream that is left has less."""
    return one.input_total is not None and one.input_total == other.input_total


def _inputs_differ(one: Described, other: Described) -> bool:
    """Whether both know their input, and it is not the same; of one id of a provider that counts in two ways, they may
    count in either."""
    if one.input_total == other.input_total or None in (one.input_total, other.input_total):
        return False
    has_one_id = one.response_id is not None and one.response_id == other.response_id
    return not (has_one_id and one.provider == other.provider and one.provider in TWO_COUNTS)


def _may_meet(one: Described, other: Described) -> bool:
    """Whether two that have one id met, or need not have: results fetched from a batch."""
    return _meet(one, other) or (is_anytime(one) and is_anytime(other))


def _meet(one: Described, other: Described) -> bool:
    """Overlap; one reporter in one process has one clock, so there it must be real."""
    same_clock = one.reporter == other.reporter and one.process == other.process
    return _shared_us(one, other) >= (0 if same_clock else -SKEW_US)


def _shared_us(one: Described, other: Described) -> int:
    return min(one.end_us, other.end_us) - max(one.start_us, other.start_us)
