"""Spans of ours beside another instrumentation's of the same call: metered on the one path, exported to nobody.

They come from a tracer provider of their own, which has our processor and no other; it records without sampling. They
are below the other's span, so that settlement knows them for one call, and never current, so that what the application
does below is not theirs.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler

from otel_genai_cost.identity_cache import IdentityCache
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.metering.sdk_span import call_at_ending
from otel_genai_cost.shared_calls import (
    Start,
    any_noted,
    is_answered_here,
    mark_beside,
    never_left,
    says_nothing,
    span_beside,
)
from otel_genai_cost.usage.leaves import NO_USAGE

__all__ = ["Besides", "complete", "completion_of", "disown", "known_beside", "repeating"]

_RESOURCES_MAX: Final = 16
_COMPLETION: Final = "_genai_cost_completion"
_DISOWNED: Final = "_genai_cost_disowned"
_IS_OPEN: Final = "_genai_cost_open_beside"


class Besides:
    """Starts such spans, each with the resource of the span that it stands beside.

    Args:
        processor: Ours, which meters them.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        self._processor = processor
        self._providers = IdentityCache[Resource, TracerProvider](_RESOURCES_MAX)

    def start(self, theirs: Span, start: Start) -> trace.Span:
        """Start such a span.

        Args:
            theirs: The other instrumentation's span, which it stands below.
            start: Its scope, name and attributes.
        """
        tracer = self._provider(theirs.resource).get_tracer(start.scope, start.version)
        span = tracer.start_span(
            start.name,
            context=trace.set_span_in_context(theirs),
            kind=trace.SpanKind.CLIENT,
            attributes=start.attributes,
        )
        mark_beside(span, theirs)
        setattr(theirs, _IS_OPEN, True)
        return span

    def _provider(self, resource: Resource) -> TracerProvider:
        known = self._providers.get(resource)
        if known is not None:
            return known
        made = TracerProvider(
            resource=resource,
            sampler=StaticSampler(Decision.RECORD_ONLY),
            shutdown_on_exit=False,
        )
        made.add_span_processor(self._processor)
        call_at_ending(made, self._processor)
        return self._providers.keep(resource, made)


def complete(span: Any, observation: Observation) -> None:
    """Keep on the other's span what was observed beside it, unless that is less than it may know itself.

    Args:
        span: A span that ends; nothing is done unless it is one of ours beside another.
        observation: What was observed.
    """
    theirs = span_beside(span)
    if theirs is None:
        return
    setattr(theirs, _IS_OPEN, False)
    reading = observation.reading
    if reading.usage is not NO_USAGE or reading.error:
        setattr(theirs, _COMPLETION, observation)


def completion_of(span: Any) -> Observation | None:
    """What was observed beside this span, which is of the same call."""
    found = getattr(span, _COMPLETION, None)
    return found if isinstance(found, Observation) else None


def disown(span: Any) -> None:
    """Note on the other's span, if there is one beside this, that there was no call: what never left is none."""
    theirs = span_beside(span)
    if theirs is not None:
        setattr(theirs, _DISOWNED, True)


def known_beside(span: Any, found: tuple[Observation, ...]) -> tuple[Observation, ...]:
    """The observations of a span, by what is known of its call beside or around it: none of a call that never left or
    that is seen otherwise, and of one whose span of ours is still open only a repetition. Where the span reports usage,
    it knows better, unless nobody was asked."""
    if any_noted and is_answered_here(span):
        return ()
    if never_left(span) or (any_noted and (getattr(span, _DISOWNED, False) or says_nothing(span))):
        return tuple(one for one in found if one.reading.usage is not NO_USAGE)
    if any_noted and getattr(span, _IS_OPEN, False):
        return tuple(repeating(one) if one.reading.usage is NO_USAGE else one for one in found)
    return found


def repeating(observation: Observation) -> Observation:
    """The observation of a span that another stands beside: it counts only if what was observed beside it is lost."""
    return observation if observation.role != "response" else observation.in_role("aggregate")
