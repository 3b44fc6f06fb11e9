"""LangSmith's OpenTelemetry mode: the conventions, with the parts of the totals as JSON.

`gen_ai.system` is guessed from the model's name and may be the framework's; the metadata know the provider. A run's
kind says what it is: a chain repeats the usage of a message it returns, and a retriever calls itself `embeddings`.
"""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, spelled
from otel_genai_cost.usage.payload import context_of
from otel_genai_cost.usage.providers import canonical
from otel_genai_cost.usage.read import Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import json_object, word

__all__ = ["read"]

_KIND: Final = "langsmith.span.kind"
_CALLS: Final = frozenset({None, "llm", "embedding"})
_PROVIDER: Final = "langsmith.metadata.ls_provider"
_TIER: Final = "gen_ai.response.service_tier"
_DETAILS: Final = {
    "gen_ai.usage.input_token_details": {
        "cache_read": "cache_read",
        "cache_creation": "cache_write",
        "ephemeral_5m_input_tokens": "cache_write_5m",
        "ephemeral_1hr_input_tokens": "cache_write_1h",
        "audio": "input_audio",
    },
    "gen_ai.usage.output_token_details": {"reasoning": "reasoning", "audio": "output_audio"},
}
_WHERE: Final = carriers("langsmith.metadata.")


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    attributes = span.attributes
    named = word(attributes.get(_PROVIDER))
    counts = _counts(attributes)
    provider = canonical(named) if named is not None else None
    context = context_of({"service_tier": attributes.get(_TIER)})
    reading = conventional(
        span, known, counts=counts, where=_WHERE, provider=provider, context=context
    )
    if reading is None or word(attributes.get(_KIND)) in _CALLS:
        return reading
    return reading._replace(role="context" if counts is NO_COUNTS else "aggregate")


def _counts(attributes: Attributes) -> Counts:
    """Totals and parts. A tier stands before a part's name, `flex_cache_read`, and alone for the plain rest."""
    counts = spelled(attributes, SPELLING)
    if counts is NO_COUNTS:
        return counts
    parts: dict[str, Any] = dict(counts.parts)
    for name, leaves in _DETAILS.items():
        for key, count in json_object(attributes.get(name)).items():
            leaf = leaves.get(key) or leaves.get(key.partition("_")[2])
            if leaf is not None:
                parts[leaf] = count
    return counts._replace(parts=parts)
