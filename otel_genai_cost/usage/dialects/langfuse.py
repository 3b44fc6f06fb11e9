"""Langfuse's SDK: JSON in attributes of its own, and no provider.

`usage_details` is the provider's object from Python's OpenAI client, and disjoint buckets from JavaScript's and from
LangChain's callback, where a tier is part of the names (`input_flex`). In JavaScript only the level shows an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.usage.carried import carried, carriers
from otel_genai_cost.usage.conventions import error_of
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, estimated
from otel_genai_cost.usage.judging import usage_from
from otel_genai_cost.usage.payload import context_of, payload_of, split_write
from otel_genai_cost.usage.providers import canonical, provider_of_model
from otel_genai_cost.usage.read import NOTHING, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import JSON_LIMIT, bounded_text, json_object, json_text, raw_of

__all__ = ["read"]

_OBSERVATION: Final = "langfuse.observation."
_TYPE: Final = _OBSERVATION + "type"
_USAGE: Final = _OBSERVATION + "usage_details"
_COST: Final = _OBSERVATION + "cost_details"
_MODEL: Final = _OBSERVATION + "model.name"
_PARAMETERS: Final = _OBSERVATION + "model.parameters"
_PROVIDER: Final = _OBSERVATION + "metadata.ls_provider"
_MODEL_REQUESTED: Final = _OBSERVATION + "metadata.ls_model_name"
_RESPONSE_ID: Final = _OBSERVATION + "metadata.id"
_OUTPUT: Final = _OBSERVATION + "output"
_LEVEL: Final = _OBSERVATION + "level"
_SEARCH: Final = '"type": "web_search_call"'
_OPERATIONS: Final = {"generation": "chat", "embedding": "embeddings"}
_BUCKETS: Final = {
    "audio": "audio",
    "audio_tokens": "audio",
    "modality_audio": "audio",
    "cache_creation": "cache_write",
    "cache_write_tokens": "cache_write",
    "cache_read": "cache_read",
    "cached_tokens": "cache_read",
    "ephemeral_5m_input_tokens": "cache_write_5m",
    "ephemeral_1h_input_tokens": "cache_write_1h",
    "reasoning": "reasoning",
    "reasoning_tokens": "reasoning",
}
_INSIDE: Final = "priority"
_TIERS: Final = ("flex", _INSIDE, "batch", "scale", "default")
_WHERE: Final = carriers("langfuse.observation.metadata.", "langfuse.trace.metadata.")


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says. Only generations and embeddings are calls."""
    attributes = span.attributes
    operation = _OPERATIONS.get(json_text(attributes.get(_TYPE)) or "")
    tenant, labels = carried(attributes, _WHERE)
    if operation is None:
        return Reading("context", tenant=tenant, labels=labels) if tenant or labels else None
    details = json_object(attributes.get(_USAGE))
    counts, context = _counts(details, attributes)
    model = json_text(attributes.get(_MODEL))
    named = json_text(attributes.get(_PROVIDER))
    provider = canonical(named) if named else provider_of_model(model) if model else None
    error = error_of(span) or ("error" if attributes.get(_LEVEL) == "ERROR" else None)
    usage = usage_from(counts, known.of(provider), model, operation, error)
    if not _is_whole(details, counts):
        usage = estimated(usage)
    own, foreign = _costs(attributes, span.name)
    return Reading(
        role="response",
        operation=operation,
        provider=provider,
        model_requested=json_text(attributes.get(_MODEL_REQUESTED)),
        model_returned=model,
        response_id=json_text(attributes.get(_RESPONSE_ID)),
        usage=usage,
        context=context,
        error=error,
        tenant=tenant,
        labels=labels,
        provider_cost=own,
        foreign_cost=foreign,
        raw=None if usage.quality == "reported" else raw_of(attributes, (_USAGE,)),
        reporter="langchain" if named else "openai" if span.name.startswith("OpenAI") else None,
    )


def _counts(details: Mapping[str, Any], attributes: Attributes) -> tuple[Counts, Mapping[str, Any]]:
    context = dict(context_of(json_object(attributes.get(_PARAMETERS))))
    if not details:
        return NO_COUNTS, context or NOTHING
    if "input" not in details and "output" not in details:
        return _with_searches(payload_of(details).counts, attributes), context or NOTHING
    counts, tier = _buckets(details)
    if tier is not None:
        context["service_tier"] = tier
    return counts, context or NOTHING


def _with_searches(counts: Counts, attributes: Attributes) -> Counts:
    """Web searches are items of the output that OpenAI's Responses API returned."""
    output = attributes.get(_OUTPUT)
    searches = output.count(_SEARCH) if type(output) is str and len(output) <= JSON_LIMIT else 0
    return counts._replace(parts={**counts.parts, "web_searches": searches}) if searches else counts


def _buckets(details: Mapping[str, Any]) -> tuple[Counts, str | None]:
    """Disjoint buckets as totals and parts, and the tier in their names. What is `priority` is inside the others."""
    sides: dict[str, list[Any]] = {"input": [], "output": []}
    parts: dict[str, Any] = {}
    tiers: set[str] = set()
    for key, count in details.items():
        side, tier, leaf = _bucket_of(key)
        if side is None:
            continue
        if tier != _INSIDE:
            sides[side].append(count)
        if tier is not None and count:
            tiers.add(tier)
        if leaf is not None:
            parts[leaf] = _sum([parts[leaf], count]) if leaf in parts else count
    _add_anthropic(sides["input"], parts, details)
    input_total = _sum(sides["input"]) if sides["input"] else None
    output_total = _sum(sides["output"]) if sides["output"] else None
    return Counts(input_total, output_total, parts), min(tiers) if len(tiers) == 1 else None


def _bucket_of(key: str) -> tuple[str | None, str | None, str | None]:
    """Side, tier and leaf of a bucket: `input_flex_cache_read` is what the tier read from the cache, `input_flex` its
    plain input."""
    side, _, bucket = key.partition("_")
    if side == "cached":
        return "input", None, "cache_read"
    if side not in ("input", "output"):
        return None, None, None
    tier = next((tier for tier in _TIERS if bucket == tier or bucket.startswith(tier + "_")), None)
    leaf = _BUCKETS.get(bucket.removeprefix(tier or "").removeprefix("_").casefold())
    return side, tier, f"{side}_audio" if leaf == "audio" else leaf


def _is_whole(details: Mapping[str, Any], counts: Counts) -> bool:
    """Whether the sides add up to the total, where there is one."""
    total = details.get("total")
    sides = [n for n in counts[:2] if n is not None]
    return total is None or not sides or _sum(sides) == total


def _add_anthropic(inputs: list[Any], parts: dict[str, Any], details: Mapping[str, Any]) -> None:
    """Anthropic's own names stand beside `input`, which leaves the cache out."""
    for key, leaf in (
        ("cache_read_input_tokens", "cache_read"),
        ("cache_creation_input_tokens", "cache_write"),
    ):
        if (count := details.get(key)) is not None and leaf not in parts:
            parts[leaf] = count
            inputs.append(count)
    prefix = "cache_creation_ephemeral_{}_input_tokens"
    split_write(parts, details.get(prefix.format("5m")), details.get(prefix.format("1h")))


def _sum(counts: list[Any]) -> Any:
    """The sum; a count that is none stands for it, to be refused."""
    odd = [n for n in counts if type(n) is not int]
    return odd[0] if odd else sum(counts)


def _costs(attributes: Attributes, name: str) -> tuple[str | None, str | None]:
    """The provider's own cost, which the OpenAI client takes from the response, and anybody else's."""
    total = json_object(attributes.get(_COST)).get("total")
    if not total:
        return None, None
    return (
        (bounded_text(total), None) if name.startswith("OpenAI-") else (None, bounded_text(total))
    )
