"""OpenLLMetry (Traceloop): one instrumentation a library, in the conventions' words with older ones between.

Metadata is at `traceloop.association.properties.<key>`. Deviations: Anthropic's streams count the first event's output
again, Gemini's output leaves thoughts out and only the total shows them, Cohere's counts are billed units, written as
12.0.
"""

from __future__ import annotations

import re
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import READS as CONVENTIONS
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, estimated, spelled, whole_counts
from otel_genai_cost.usage.judging import hidden_tokens
from otel_genai_cost.usage.providers import bedrock_model, without_provider
from otel_genai_cost.usage.read import Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import raw_of

__all__ = [
    "READS",
    "read",
    "read_anthropic",
    "read_anthropic_javascript",
    "read_bedrock",
    "read_cohere",
    "read_gemini",
    "read_litellm",
    "read_openai_javascript",
]

_WHERE: Final = carriers(
    "traceloop.association.properties.",
    "traceloop.association.properties.Helicone-Property-",
    more={
        "gen_ai.user": "user",
        "traceloop.workflow.name": "workflow",
        "traceloop.association.properties.Helicone-User-Id": "user",
        "traceloop.association.properties.Helicone-Session-Id": "session",
    },
)
_SPELLING: Final = SPELLING._replace(
    parts={
        **SPELLING.parts,
        "gen_ai.usage.cache_read_input_tokens": "cache_read",
        "gen_ai.usage.cache_creation_input_tokens": "cache_write",
        "llm.usage.reasoning_tokens": "reasoning",
    }
)
"""Releases before 0.55 have names of their own for the parts."""

READS: Final = CONVENTIONS | _SPELLING.names()
_TOTAL: Final = "llm.usage.total_tokens"
_STREAMING: Final = "gen_ai.is_streaming"
_RESPONSE: Final = "openai.response"
_REQUEST_TYPE: Final = "llm.request.type"
_RAW: Final = ("gen_ai.usage.", "llm.usage.")
_CACHE: Final = frozenset({"cache_read", "cache_write"})
_MAY_CACHE: Final = re.compile(r"claude|nova|arn:")
_OPERATIONS: Final = {"embedding": "embeddings", "rerank": "rerank"}


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says. A task, tool or workflow of Traceloop's own is a wrapper."""
    reading = conventional(span, known, spelling=_SPELLING, where=_WHERE)
    if reading is None:
        return None
    if _is_fetched(span, reading):
        return reading._replace(role="poll")
    if reading.operation is not None:
        return reading
    kind = span.attributes.get(_REQUEST_TYPE)
    return reading._replace(operation=_OPERATIONS.get(kind, kind)) if type(kind) is str else reading


def _is_fetched(span: SpanView, reading: Reading) -> bool:
    """`responses.retrieve()` of a response that was made elsewhere: the only call without a model."""
    return (
        span.name == _RESPONSE
        and span.scope_name.endswith(".openai.v1")
        and reading.response_id is not None
        and reading.model_requested is None
    )


def read_anthropic(span: SpanView, known: Known) -> Reading | None:
    """Anthropic's own client. The helper's streams are recognised by the order in which attributes were set."""
    reading = read(span, known)
    return _doubted(reading, span.attributes) if _is_stream(span.attributes) else reading


def _is_stream(attributes: Attributes) -> bool:
    if attributes.get(_STREAMING) is True:
        return True
    for name in attributes:
        if name in (names.GEN_AI_RESPONSE_MODEL, names.GEN_AI_USAGE_INPUT_TOKENS):
            return name == names.GEN_AI_USAGE_INPUT_TOKENS
    return False


def read_anthropic_javascript(span: SpanView, known: Known) -> Reading | None:
    """Anthropic's client in JavaScript: no stream has a finish reason, and one that broke has the first output."""
    if names.GEN_AI_RESPONSE_FINISH_REASONS in span.attributes:
        return read(span, known)
    return _doubted(read(span, known), span.attributes)


def read_openai_javascript(span: SpanView, known: Known) -> Reading | None:
    """OpenAI's client in JavaScript: a stream's usage may be a count of its own, and nothing shows what is a stream."""
    return _doubted(read(span, known), span.attributes)


def _doubted(reading: Reading | None, attributes: Attributes) -> Reading | None:
    if reading is None or reading.usage.quality != "reported":
        return reading
    return reading._replace(usage=estimated(reading.usage), raw=raw_of(attributes, _RAW))


def read_bedrock(span: SpanView, known: Known) -> Reading | None:
    """Bedrock's client, which takes the region and the vendor off the model.

    The cache of Claude and Nova is lost where a response streams from InvokeModel."""
    reading = read(span, known)
    if reading is None:
        return None
    reading = reading._replace(
        model_requested=bedrock_model(reading.model_requested),
        model_returned=bedrock_model(reading.model_returned),
    )
    if reading.usage.quality != "reported" or _is_converse(span.attributes):
        return reading
    usage = reading.usage
    if _CACHE & usage.leaves.keys() or not _MAY_CACHE.search(reading.model_requested or ""):
        return reading
    low = usage.leaves
    return reading._replace(
        usage=estimated(usage)._replace(low=low), raw=raw_of(span.attributes, _RAW)
    )


def _is_converse(attributes: Attributes) -> bool:
    """Whether it is Converse, which reports a cache wherever there was one: it names no model in return, and the
    provider before the operation. In any other order a span is taken for InvokeModel's."""
    if names.GEN_AI_RESPONSE_MODEL in attributes or names.GEN_AI_RESPONSE_ID in attributes:
        return False
    for name in attributes:
        if name in (names.GEN_AI_PROVIDER_NAME, names.GEN_AI_OPERATION_NAME):
            return name == names.GEN_AI_PROVIDER_NAME
    return False


def read_gemini(span: SpanView, known: Known) -> Reading | None:
    """Gemini's client: what the total has beyond input and output are thoughts, or what tools read."""
    attributes = span.attributes
    counts = spelled(attributes, _SPELLING)
    hidden = _hidden(counts, attributes)
    if not hidden:
        return conventional(span, known, counts=counts, where=_WHERE)
    counts = Counts(
        counts.input_total,
        counts.output_total + hidden,
        {**counts.parts, "reasoning": hidden},
    )
    return _doubted(conventional(span, known, counts=counts, where=_WHERE), attributes)


def _hidden(counts: Counts, attributes: Attributes) -> int:
    """Tokens that only the total has."""
    total = attributes.get(names.GEN_AI_USAGE_TOTAL_TOKENS, attributes.get(_TOTAL))
    return hidden_tokens(counts, total) if type(counts.output_total) is int else 0


def read_cohere(span: SpanView, known: Known) -> Reading | None:
    """Cohere's client: billed units, which are not the tokens that went through the model."""
    attributes = span.attributes
    counts = whole_counts(spelled(attributes, _SPELLING))
    reading = conventional(span, known, counts=counts, where=_WHERE)
    if reading is None:
        return None
    kind = attributes.get(_REQUEST_TYPE)
    operation = _OPERATIONS.get(kind, kind) if type(kind) is str else None
    reading = reading._replace(operation=operation)
    return reading if counts is NO_COUNTS else _doubted(reading, attributes)


def read_litellm(span: SpanView, known: Known) -> Reading | None:
    """LiteLLM's functions: the model has its provider before a slash, and Gemini's tool use is only in the total."""
    reading = read(span, known)
    if reading is None:
        return None
    reading = reading._replace(
        model_requested=without_provider(reading.model_requested, reading.provider)
    )
    hidden = _hidden(spelled(span.attributes, _SPELLING), span.attributes)
    return _doubted(reading, span.attributes) if hidden else reading
