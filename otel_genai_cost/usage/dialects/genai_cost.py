"""The spans of our own instrumentors: the conventions' words, and what became of the requests of a call.

A call of which no request left the process is none. An answer that was left before its end has used more than was
counted until then. A request that was given up on and made anew may have been billed beside the one that was answered.
"""

from __future__ import annotations

from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import Conventional, conventional
from otel_genai_cost.usage.counts import estimated
from otel_genai_cost.usage.leaves import NO_USAGE, Usage
from otel_genai_cost.usage.read import UNFINISHED, Known, Reading, SpanView
from otel_genai_cost.usage.values import raw_of

__all__ = ["READS", "read"]

READS: Final = frozenset(
    {names.REQUEST_SENT, names.UNFINISHED, names.ATTEMPTS, names.ATTEMPTS_UNANSWERED}
)
"""Attributes that are read beside those of the conventions."""

_RAW: Final = (names.GEN_AI_USAGE_PREFIX, names.ATTEMPTS, names.UNFINISHED)
_MAYBE: Final = Usage()
"""Nothing was reported, and something may have been used: unlike NO_USAGE, no error reply makes that nothing."""


def _read_requests(span: SpanView, known: Known) -> Reading | None:
    """What a span says of what became of its requests; None if none was sent."""
    attributes = span.attributes
    if attributes.get(names.REQUEST_SENT) is False:
        return None
    reading = conventional(span, known, raw=_RAW)
    if reading is None:
        return None
    attempts = attributes.get(names.ATTEMPTS)
    if type(attempts) is int and attempts > 1:
        reading = reading._replace(attempts=attempts)
    is_unfinished = attributes.get(names.UNFINISHED) is True
    if is_unfinished and reading.error is None:
        reading = reading._replace(error=UNFINISHED)
    if is_unfinished or attributes.get(names.ATTEMPTS_UNANSWERED):
        usage = _MAYBE if reading.usage is NO_USAGE else estimated(reading.usage)
        reading = reading._replace(usage=usage, raw=reading.raw or raw_of(attributes, _RAW))
    return reading


read: Final = Conventional(READS, _read_requests)
"""What the span says; None if it is no LLM call and carries neither usage nor a tenant."""
