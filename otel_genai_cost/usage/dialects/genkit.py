"""Genkit, in JavaScript and Go: JSON in attributes of its own.

A model's action is the call; `generate`, the span around it, repeats it, and a flow's output can hold anything. The
plug-ins for JavaScript that speak OpenAI's format keep the provider's response under `raw`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.usage.carried import Carriers, carried
from otel_genai_cost.usage.conventions import error_of
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, estimated
from otel_genai_cost.usage.judging import hidden_tokens, usage_from
from otel_genai_cost.usage.leaves import Usage
from otel_genai_cost.usage.payload import Payload, response_of
from otel_genai_cost.usage.providers import canonical
from otel_genai_cost.usage.read import PROVIDERS_OWN, Facts, Known, Reading, SpanView
from otel_genai_cost.usage.values import Object, as_object, json_object, raw_of, word

__all__ = ["read"]

_SUBTYPE: Final = "genkit:metadata:subtype"
_NAME: Final = "genkit:name"
_OUTPUT: Final = "genkit:output"
_OPERATIONS: Final = {"model": "chat", "embedder": "embeddings"}
_PARTS: Final = {"cachedContentTokens": "cache_read", "thoughtsTokens": "reasoning"}
_WHERE: Final = Carriers()


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says. The name of an action is the plug-in's and the model's: `openai/gpt-4o`."""
    attributes = span.attributes
    operation = _OPERATIONS.get(word(attributes.get(_SUBTYPE)) or "")
    tenant, labels = carried(attributes, _WHERE)
    if operation is None:
        return Reading("context", tenant=tenant, labels=labels) if tenant or labels else None
    plugin, _, model = (word(attributes.get(_NAME)) or "").partition("/")
    provider = canonical(plugin) if plugin else None
    output = json_object(attributes.get(_OUTPUT))
    usage_object = as_object(output.get("usage"))
    own = response_of(as_object(output.get("raw")))
    error = error_of(span)
    usage = _usage(usage_object, own, known.of(provider), own.model or model, operation, error)
    return Reading(
        role="response",
        operation=operation,
        provider=provider,
        model_requested=model or None,
        model_returned=own.model,
        response_id=own.response_id,
        usage=usage,
        context=own.context,
        error=error,
        tenant=tenant,
        labels=labels,
        provider_cost=own.bill.by(provider),
        raw=None if usage.quality == "reported" else _raw(usage_object),
    )


def _usage(
    usage_object: Object, own: Payload, facts: Facts, model: str, operation: str, error: str | None
) -> Usage:
    """The provider's own numbers, else Genkit's."""
    if own.counts is not NO_COUNTS:
        usage = usage_from(own.counts, PROVIDERS_OWN, model, operation, error)
        return estimated(usage) if own.is_short else usage
    counts = _counts(usage_object)
    usage = usage_from(counts, facts, model, operation, error)
    return estimated(usage) if hidden_tokens(counts, usage_object.get("totalTokens")) else usage


def _counts(usage_object: Object) -> Counts:
    """Genkit's own names; Go leaves out what is 0, and counts characters where no tokens were reported."""
    if "inputTokens" not in usage_object and "outputTokens" not in usage_object:
        return NO_COUNTS
    parts: dict[str, Any] = {
        leaf: usage_object[key] for key, leaf in _PARTS.items() if key in usage_object
    }
    return Counts(usage_object.get("inputTokens"), usage_object.get("outputTokens"), parts)


def _raw(usage_object: Object) -> Mapping[str, Any] | None:
    """The usage alone: the rest of the output is what people said."""
    return raw_of({f"{_OUTPUT}.usage.{key}": count for key, count in usage_object.items()}, ("",))
