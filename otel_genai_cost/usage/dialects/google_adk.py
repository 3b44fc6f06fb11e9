"""Google's Agent Development Kit: `call_llm` with Gemini's whole response as JSON, around or instead of
`generate_content`.

Up to 2.0 its counts leave thoughts out of the output and never report the cache; from 1.33 on `call_llm` has the
thoughts beside them. Later releases write the conventions' words, in which the output includes thoughts. With other
models than Gemini's, the provider stands before the model's slash, as LiteLLM has it.
"""

from __future__ import annotations

from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import READS as CONVENTIONS
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, estimated, spelled
from otel_genai_cost.usage.payload import NO_PAYLOAD, Payload, response_of
from otel_genai_cost.usage.providers import canonical, without_provider
from otel_genai_cost.usage.read import PROVIDERS_OWN, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import json_object, raw_of, word

__all__ = ["READS", "read", "read_conventional"]

_RESPONSE: Final = "gcp.vertex.agent.llm_response"
_THOUGHTS: Final = "gen_ai.usage.experimental.reasoning_tokens"
_CACHED: Final = "gen_ai.usage.experimental.cached_tokens"
_CALL: Final = "call_llm"
_OWN_NAME: Final = "gcp.vertex.agent"
READS: Final = CONVENTIONS | {_THOUGHTS, _CACHED, _RESPONSE}


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says, up to 2.0."""
    attributes = span.attributes
    payload = _payload(attributes)
    counts, facts = payload.counts, PROVIDERS_OWN
    if counts is NO_COUNTS:
        counts, facts = _counts(attributes), known.default
    provider = _provider(attributes)
    reading = conventional(
        span, known, counts=counts, provider=provider, context=payload.context, facts=facts
    )
    if reading is None:
        return None
    if span.name == _CALL and reading.role == "response":
        reading = reading._replace(operation="generate_content")
    reading = reading._replace(
        model_requested=without_provider(reading.model_requested, provider),
        model_returned=payload.model or reading.model_returned,
        response_id=payload.response_id or reading.response_id,
    )
    if facts is PROVIDERS_OWN and not payload.is_short:
        return reading
    usage = estimated(reading.usage)
    return reading._replace(
        usage=usage._replace(low=usage.leaves or None),
        raw=raw_of(attributes, (names.GEN_AI_USAGE_PREFIX,)),
    )


def read_conventional(span: SpanView, known: Known) -> Reading | None:
    """What the span says, after 2.0."""
    return conventional(span, known, provider=_provider(span.attributes))


def _payload(attributes: Attributes) -> Payload:
    response = json_object(attributes.get(_RESPONSE))
    return response_of(response) if response else NO_PAYLOAD


def _counts(attributes: Attributes) -> Counts:
    """The counts of the span, with the thoughts that are reported beside them."""
    counts = spelled(attributes, SPELLING)
    thoughts = attributes.get(_THOUGHTS)
    if type(thoughts) is not int or type(counts.output_total) is not int:
        return counts
    parts = {**counts.parts, "reasoning": thoughts}
    return Counts(counts.input_total, counts.output_total + thoughts, parts)


def _provider(attributes: Attributes) -> str | None:
    """The provider named, else the one before the model's slash, else Gemini's for its models."""
    for name in (names.GEN_AI_PROVIDER_NAME, names.GEN_AI_SYSTEM):
        named = word(attributes.get(name))
        if named not in (None, _OWN_NAME):
            return canonical(named)
    model = word(attributes.get(names.GEN_AI_REQUEST_MODEL)) or ""
    prefix, slash, _ = model.partition("/")
    if slash:
        return canonical(prefix)
    return "gcp.gemini" if model.startswith("gemini") else None
