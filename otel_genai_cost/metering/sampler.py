"""LLM calls are metered at any sampling rate; traces stay as sampled as they are.

A span that the team's sampler drops is recorded without being sampled if it may be an LLM call: span processors see
it, exporters don't. Outermost, so that no parent's decision comes before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from otel_genai_cost.errors import guarded
from otel_genai_cost.usage.scopes import is_genai

__all__ = ["RecordGenAISampler"]

_DROP: Final = Decision.DROP
_NONE: Final[Mapping[str, Any]] = {}


class RecordGenAISampler(Sampler):
    """Wraps the team's sampler."""

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
        # Samplers keep all start attributes or none, so the first one tells.
        if decided.decision is _DROP or (
            attributes and next(iter(attributes)) not in (decided.attributes or _NONE)  # pyright: ignore[reportUnknownMemberType]
        ):
            return _record(decided, name, attributes) or decided
        return decided

    def get_description(self) -> str:
        return f"RecordGenAISampler{{{self.inner.get_description()}}}"


def _attributes_of(decided: SamplingResult) -> Mapping[str, Any]:
    return decided.attributes or _NONE  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@guarded("sampler", default=None)
def _record(
    decided: SamplingResult, name: str, attributes: Mapping[str, Any] | None
) -> SamplingResult | None:
    """The decision for an LLM call, None where the sampler's own stands.

    Start attributes are put back: samplers drop them with DROP, and the SDK's composite sampler always; without them
    an LLM span has tokens but neither provider nor model.
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
