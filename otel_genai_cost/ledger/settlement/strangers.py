"""Observations that share nothing with any other of a set: no rule can join them, nothing stands above them. Pure.

That is nearly all of them, where one client reports each call, and what settling them comes to is said without looking
for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from otel_genai_cost.journal.observation import Observation

__all__ = ["strangers"]


def strangers(ordered: Sequence[Observation]) -> frozenset[int]:
    """Which of these are alone: the only one of a trace, with an id and a response id that nobody else has, in a
    process that only one scope reports of.

    Args:
        ordered: the whole set.

    Returns:
        Their places in it. Wrappers and polls are never among them.
    """
    ids = Counter([one.id for one in ordered])
    traces = Counter([one.trace_id for one in ordered])
    responses = Counter([(one.reading.provider, one.reading.response_id) for one in ordered])
    reporters: dict[str, set[str]] = {}
    for one in ordered:
        reporters.setdefault(one.origin.process, set()).add(one.reporter)
    return frozenset(
        at
        for at, one in enumerate(ordered)
        if traces[one.trace_id] == 1
        and ids[one.id] == 1
        and one.reading.role == "response"
        and len(reporters[one.origin.process]) == 1
        and (
            one.reading.response_id is None
            or responses[one.reading.provider, one.reading.response_id] == 1
        )
        and one.span_id not in one.path
    )
