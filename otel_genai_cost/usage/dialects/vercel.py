"""The Vercel AI SDK: versions 4 to 6 with names of their own on two levels of spans, 7 in the conventions' words.

Its scope has no version, so what a span carries shows which one it is. Up to version 6 the inner span (`…doGenerate`,
`…doStream`, `…doEmbed`) is the call; the outer one sums up its steps. What Traceloop's SDK exports has other names of
spans, models and metadata, but `ai.operationId` stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.bills import NO_BILL, Bill, bill_of, gateway_bill
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, Spelling, estimated, spelled
from otel_genai_cost.usage.inclusion import settled
from otel_genai_cost.usage.judging import shows_search, usage_from
from otel_genai_cost.usage.payload import context_of, payload_of, split_write
from otel_genai_cost.usage.providers import canonical
from otel_genai_cost.usage.read import (
    NOTHING,
    PROVIDERS_OWN,
    Attributes,
    Facts,
    Known,
    Reading,
    SpanView,
)
from otel_genai_cost.usage.searches import grounded_searches
from otel_genai_cost.usage.values import as_object, json_object, objects, raw_of, word

__all__ = ["READS", "read_v6"]

_SPELLING: Final = Spelling(
    (
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
        names.GEN_AI_USAGE_INPUT_TOKENS,
    ),
    ("ai.usage.outputTokens", "ai.usage.completionTokens", names.GEN_AI_USAGE_OUTPUT_TOKENS),
    {
        "ai.usage.inputTokenDetails.cacheReadTokens": "cache_read",
        "ai.usage.cachedInputTokens": "cache_read",
        "ai.usage.inputTokenDetails.cacheWriteTokens": "cache_write",
        "ai.usage.outputTokenDetails.reasoningTokens": "reasoning",
        "ai.usage.reasoningTokens": "reasoning",
    },
)
READS: Final = _SPELLING.names()
_OPERATION: Final = "ai.operationId"
_MODEL: Final = "ai.model.id"
_PROVIDER: Final = "ai.model.provider"
_RESPONSE_ID: Final = "ai.response.id"
_RESPONSE_MODEL: Final = "ai.response.model"
_TOOLS: Final = ("ai.prompt.tools", "ai.response.toolCalls")
_RAW: Final = ("ai.usage.", "gen_ai.usage.")
_METADATA: Final = "ai.response.providerMetadata"
_UNCACHED: Final = "ai.usage.inputTokenDetails.noCacheTokens"
_TOTAL: Final = "ai.usage.totalTokens"
_OLD_PARTS: Final = {
    "cachedPromptTokens": "cache_read",
    "cacheReadInputTokens": "cache_read",
    "cacheCreationInputTokens": "cache_write",
    "cacheWriteInputTokens": "cache_write",
    "reasoningTokens": "reasoning",
}
_OLD_LOST: Final = ("cache_read", "cache_write", "thoughts")
_CACHE_APART: Final = frozenset({"aws.bedrock", "anthropic"})
_WHERE: Final = carriers(
    "ai.telemetry.metadata.",
    "traceloop.association.properties.",
    more={"ai.telemetry.functionId": "feature"},
)


def read_v6(span: SpanView, known: Known) -> Reading | None:
    """What a span of version 4, 5 or 6 says."""
    attributes = span.attributes
    operation = word(attributes.get(_OPERATION)) or ""
    is_call = ".do" in operation
    named = word(attributes.get(_PROVIDER))
    provider = None if named is None else canonical(named)
    model = word(attributes.get(_MODEL)) or word(attributes.get(names.GEN_AI_REQUEST_MODEL))
    payload = _payload(attributes, model) if is_call else _Metadata()
    counts, facts = payload.counts, PROVIDERS_OWN
    if counts is NO_COUNTS:
        counts, facts = _own_counts(attributes, provider, known.default)
        counts = _with(counts, payload.searches)
    reading = conventional(
        span,
        known,
        counts=counts,
        where=_WHERE,
        provider=provider,
        context=payload.context,
        facts=facts,
        raw=_RAW,
    )
    if reading is None:
        return None
    if not is_call:
        return reading._replace(role="context" if counts is NO_COUNTS else "aggregate")
    reading = reading._replace(
        role="response",
        operation="embeddings" if "mbed" in operation else "chat",
        model_requested=model or reading.model_requested,
        model_returned=word(attributes.get(_RESPONSE_MODEL)) or reading.model_returned,
        response_id=word(attributes.get(_RESPONSE_ID)) or reading.response_id,
        provider_cost=_bill(attributes, payload).by(reading.provider),
    )
    usage = usage_from(counts, facts, reading.model_requested, reading.operation, reading.error)
    if payload.is_short or _hides_search(counts, attributes):
        usage = estimated(usage)
    return reading._replace(
        usage=usage, raw=None if usage.quality == "reported" else raw_of(attributes, _RAW)
    )


def _own_counts(attributes: Attributes, provider: str | None, facts: Facts) -> tuple[Counts, Facts]:
    """The SDK's own counts.

    Before version 6, which alone reports the uncached input, they are the provider's: Anthropic's and Bedrock's cache
    is outside, and what the SDK has no name for stands in the metadata, or nowhere.
    """
    counts = spelled(attributes, _SPELLING)
    if _UNCACHED in attributes or counts is NO_COUNTS:
        return _with_lifetimes(counts, attributes), facts._replace(reasoning_inside=True)
    parts: dict[str, Any] = dict(counts.parts)
    for package in map(as_object, json_object(attributes.get(_METADATA)).values()):
        for place in (package, as_object(package.get("usage"))):
            for key, leaf in _OLD_PARTS.items():
                if (count := place.get(key)) is not None:
                    parts.setdefault(leaf, count)
    counts = _with_lifetimes(counts._replace(parts=parts), attributes)
    is_apart = provider in _CACHE_APART
    lost = () if "cache_read" in parts or (is_apart and parts.get("cache_write")) else _OLD_LOST
    apart = facts._replace(cache_outside=is_apart, lost=lost)
    if provider == "x_ai" and "reasoning" not in parts:
        apart = apart._replace(lost=(*lost, "reasoning"))
    total = attributes.get(_TOTAL)
    settling = settled(counts, apart, provider, word(attributes.get(_MODEL)), total)
    return settling.counts, apart._replace(reasoning_inside=True)


def _with(counts: Counts, searches: int | None) -> Counts:
    if searches is None or counts is NO_COUNTS:
        return counts
    return counts._replace(parts={**counts.parts, "web_searches": searches})


def _hides_search(counts: Counts, attributes: Attributes) -> bool:
    return "web_searches" not in counts.parts and shows_search(attributes, _TOOLS)


class _Metadata(NamedTuple):
    """What the provider's package passes on: `searches` are Gemini's, where it says whether there were any."""

    counts: Counts = NO_COUNTS
    context: Mapping[str, Any] = NOTHING
    bill: Bill = NO_BILL
    is_short: bool = False
    searches: int | None = None


def _payload(attributes: Attributes, model: str | None) -> _Metadata:
    """The provider's usage, where the provider's package passes it on whole; else the conditions alone."""
    metadata = json_object(attributes.get(_METADATA))
    for package in filter(None, map(as_object, metadata.values())):
        context: dict[str, Any] = dict(context_of(package))
        searches = grounded_searches(package, model) if "groundingMetadata" in package else None
        for key in ("usage", "usageMetadata"):
            found = payload_of(as_object(package.get(key)))
            context.update(found.context)
            if found.counts.input_total is not None:
                counts = _with(found.counts, searches)
                return _Metadata(counts, context or NOTHING, found.bill, found.is_short, searches)
        return _Metadata(context=context or NOTHING, searches=searches)
    return _Metadata()


def _bill(attributes: Attributes, payload: _Metadata) -> Bill:
    """What the gateway, OpenRouter's or Perplexity's package, or the provider's own object says was billed."""
    metadata = json_object(attributes.get(_METADATA))
    if gateway := as_object(metadata.get("gateway")):
        return gateway_bill(gateway)
    if "perplexity" in metadata:
        total = as_object(as_object(metadata["perplexity"]).get("cost")).get("totalCost")
        return bill_of({"cost": {"total_cost": total}})
    usage = as_object(as_object(metadata.get("openrouter")).get("usage"))
    if not usage:
        return payload.bill
    upstream = as_object(usage.get("costDetails")).get("upstreamInferenceCost")
    details = {"cost_details": {"upstream_inference_cost": upstream}}
    return bill_of({"cost": usage.get("cost"), **details})


def _with_lifetimes(counts: Counts, attributes: Attributes) -> Counts:
    """Bedrock's package passes on only what the SDK has no name for: how long a cache write lives."""
    write = counts.parts.get("cache_write")
    if not write:
        return counts
    bedrock = as_object(json_object(attributes.get(_METADATA)).get("bedrock"))
    details = objects(as_object(bedrock.get("usage")).get("cacheDetails"))
    lifetimes = {
        each["ttl"]: each.get("inputTokens") for each in details if isinstance(each.get("ttl"), str)
    }
    parts: dict[str, Any] = dict(counts.parts)
    split_write(parts, lifetimes.get("5m"), lifetimes.get("1h"))
    return counts._replace(parts=parts)
