"""Pydantic AI: one span a model request; the agent's span adds them up, in version 1 under the same names."""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, Spelling, estimated, spelled
from otel_genai_cost.usage.judging import shows_search
from otel_genai_cost.usage.payload import split_write
from otel_genai_cost.usage.read import Attributes, Facts, Known, Reading, SpanView
from otel_genai_cost.usage.values import bounded_text, raw_of

__all__ = ["READS", "read"]

_DETAILS: Final = "gen_ai.usage.details."
_SPELLING: Final = SPELLING._replace(
    parts={
        **SPELLING.parts,
        _DETAILS + "reasoning_tokens": "reasoning",
        _DETAILS + "thinking_tokens": "reasoning",
        _DETAILS + "thoughts_tokens": "reasoning",
        _DETAILS + "input_audio_tokens": "input_audio",
        _DETAILS + "output_audio_tokens": "output_audio",
        _DETAILS + "audio_prompt_tokens": "input_audio",
        _DETAILS + "audio_candidates_tokens": "output_audio",
        _DETAILS + "image_prompt_tokens": "input_image",
        _DETAILS + "video_prompt_tokens": "input_video",
        _DETAILS + "cache_audio_read_tokens": "cache_read_audio",
        _DETAILS + "web_search_requests": "web_searches",
        _DETAILS + "cached_tokens": "cache_read",
    }
)
_CALLS: Final = ("chat", "embeddings", "image_generation")
_AGGREGATED: Final = "gen_ai.aggregated_usage."
_SUMS: Final = Spelling(
    (_AGGREGATED + "input_tokens",),
    (_AGGREGATED + "output_tokens",),
    {
        _AGGREGATED + "cache_read.input_tokens": "cache_read",
        _AGGREGATED + "cache_creation.input_tokens": "cache_write",
    },
)
_AGENTS: Final = Facts(lost=("input_audio", "output_audio"))
"""An agent's span has no details, and no model that would show whether there are any."""

_HOUR: Final = _DETAILS + "ephemeral_1h_input_tokens"
_MINUTES: Final = _DETAILS + "ephemeral_5m_input_tokens"
READS: Final = _SPELLING.names() | _SUMS.names() | {_HOUR, _MINUTES}
_RAW: Final = (names.GEN_AI_USAGE_PREFIX, _AGGREGATED)
_COST: Final = "operation.cost"
_PARAMETERS: Final = "model_request_parameters"
_WHERE: Final = carriers(metadata=("metadata",))


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    attributes = span.attributes
    is_call = attributes.get(names.GEN_AI_OPERATION_NAME) in _CALLS
    counts = _counts(attributes) if is_call else spelled(attributes, _SUMS)
    if not is_call and counts is NO_COUNTS:
        counts = spelled(attributes, SPELLING)
    facts = None if is_call else _AGENTS
    reading = conventional(span, known, counts=counts, where=_WHERE, facts=facts, raw=_RAW)
    if reading is None:
        return None
    if not is_call:
        return reading._replace(role="context" if counts is NO_COUNTS else "aggregate")
    cost = attributes.get(_COST)
    if cost is not None:
        reading = reading._replace(foreign_cost=bounded_text(cost))
    if reading.usage.quality == "reported" and _searches_unknown(counts, reading, attributes):
        return reading._replace(
            usage=estimated(reading.usage), raw=raw_of(attributes, (names.GEN_AI_USAGE_PREFIX,))
        )
    return reading


def _searches_unknown(counts: Counts, reading: Reading, attributes: Attributes) -> bool:
    """Version 1 does not count the provider's searches; Gemini's are billed by the prompt or by the query."""
    if "web_searches" in counts.parts:
        return (reading.provider or "").startswith("gcp.")
    return shows_search(attributes, (_PARAMETERS,))


def _counts(attributes: Attributes) -> Counts:
    counts = spelled(attributes, _SPELLING)
    if counts is NO_COUNTS or "cache_write" not in counts.parts:
        return counts
    parts: dict[str, Any] = dict(counts.parts)
    split_write(parts, attributes.get(_MINUTES), attributes.get(_HOUR))
    return counts._replace(parts=parts)
