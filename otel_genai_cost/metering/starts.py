"""Calls whose beginning is journalled, so that one whose process is killed is known of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.metering.journal_options import Starts
from otel_genai_cost.pricing.cost import unpriced
from otel_genai_cost.usage.leaves import NO_USAGE
from otel_genai_cost.usage.read import Attributes

__all__ = ["begins", "begun_call", "keep_start", "withdrawn_start"]

_START: Final = "_genai_cost_started"
_STREAM: Final = names.GEN_AI_REQUEST_STREAM
_OPERATION: Final = names.GEN_AI_OPERATION_NAME
_MODEL: Final = names.GEN_AI_REQUEST_MODEL
_UNFINISHED: Final = unpriced("unfinished")
_NO_CALL: Final = unpriced("missing_usage")


def begins(attributes: Attributes, starts: Starts) -> bool:
    """Whether a span starts a call whose beginning is journalled. Called for every span.

    Args:
        attributes: What the span starts with.
        starts: Of which calls it is: of those that stream, of all or of none.
    """
    if _STREAM in attributes and attributes[_STREAM] is True:
        return starts != "off"
    return starts == "all" and (_OPERATION in attributes or _MODEL in attributes)


def begun_call(observation: Observation) -> Observation | None:
    """What is journalled of a call that begins; None if the span was made when all was over, or is no call."""
    if observation.role != "response" or observation.reading.usage is not NO_USAGE:
        return None
    return observation._replace(cost=_UNFINISHED)


def keep_start(span: Any, begun: Observation) -> None:
    """Keep what was journalled, so that it can be withdrawn if it was no call."""
    setattr(span, _START, begun)


def withdrawn_start(
    span: Any, observations: Collection[Observation], end_us: int
) -> Observation | None:
    """What undoes the start of a span that was no call: the ledger waits for nothing, and charges nothing.

    Args:
        span: A span that has ended.
        observations: What it says by now.
        end_us: When it ended, in unix microseconds.

    Returns:
        None if there was no start, or a call came of it.
    """
    begun: Observation | None = getattr(span, _START, None)
    if begun is None or begun.id in {one.id for one in observations}:
        return None
    return begun.in_role("context")._replace(cost=_NO_CALL, end_us=max(end_us, begun.start_us))
