"""LLM calls are metered at any sampling rate; traces stay as sampled as they are.

A span that the team's sampler drops is recorded without being sampled if it may be an LLM call: span processors see
it, exporters don't. A sampler that drops nothing stays as it is, so that the spans it samples cost nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from otel_genai_cost.errors import guarded
from otel_genai_cost.metering.sdk_span import delegates_of
from otel_genai_cost.tenancy.inbound import enter
from otel_genai_cost.usage.scopes import is_genai

__all__ = ["RecordGenAISampler", "recording"]

_DROP: Final = Decision.DROP
_NONE: Final[Mapping[str, Any]] = {}
_ENTRIES: Final = (SpanKind.SERVER, SpanKind.CONSUMER)


def recording(inner: Sampler) -> Sampler:
    """A sampler that decides as the team's does, but records an LLM call that the team's drops.

    One that goes by the parent asks another in each case; those are wrapped instead of itself, if they drop anything.

    Args:
        inner: The team's sampler.

    Returns:
        `inner` itself if it drops nothing.
    """
    if inner is ALWAYS_ON:
        return inner
    delegates = delegates_of(inner)
    if delegates is not None:
        return ParentBased(*map(recording, delegates))
    return RecordGenAISampler(inner)


class RecordGenAISampler(Sampler):
    """Wraps a sampler: what it drops is recorded if it may be an LLM call.

    Args:
        inner: The team's sampler.
    """

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner
        self._decide = inner.should_sample

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        decided = self._decide(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if decided.decision is _DROP and kind in _ENTRIES:
            _entered(parent_context, kind)
        # Samplers keep all start attributes or none, so looking at the first one is enough.
        if decided.decision is _DROP or (
            attributes and next(iter(attributes)) not in (decided.attributes or _NONE)  # pyright: ignore[reportUnknownMemberType]
        ):
            return _record(decided, name, attributes) or decided
        return decided

    def get_description(self) -> str:
        return f"RecordGenAISampler{{{self.inner.get_description()}}}"


@guarded("sampler.entered", default=None)
def _entered(parent_context: Context | None, kind: SpanKind | None) -> None:
    """Note of a dropped span what brought its context: no processor sees it, and no other span says that of a local
    root."""
    current = get_current() if parent_context is None else parent_context
    above = get_current_span(current).get_span_context()
    if not above.is_valid or above.is_remote:
        enter(current, kind)


def _attributes_of(decided: SamplingResult) -> Mapping[str, Any]:
    return decided.attributes or _NONE  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@guarded("sampler", default=None)
def _record(
    decided: SamplingResult, name: str, attributes: Mapping[str, Any] | None
) -> SamplingResult | None:
    """The decision for a span that a sampler dropped, or took attributes from.

    Start attributes are put back: samplers drop them with DROP, and the SDK's composite sampler always; without them
    an LLM span has tokens but neither provider nor model.

    Args:
        decided: The sampler's own decision.
        name: The span's name.
        attributes: What the span starts with.

    Returns:
        The decision for an LLM call; None where the sampler's own stands.
    """
    if not is_genai(name, attributes):
        return None
    kept = _attributes_of(decided)
    if decided.decision is Decision.DROP:
        return SamplingResult(
            Decision.RECORD_ONLY, {**(attributes or {}), **kept}, decided.trace_state
        )
    if attributes and any(key not in kept for key in attributes):
        return SamplingResult(decided.decision, {**attributes, **kept}, decided.trace_state)
    return None
