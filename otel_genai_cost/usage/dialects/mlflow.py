"""MLflow's autolog over OTLP: every value is JSON, the usage is in `mlflow.chat.tokenUsage`, the provider's response in
`mlflow.spanOutputs`; or, by a setting, the conventions' words, without the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_cost.usage.carried import carried, carriers
from otel_genai_cost.usage.conventions import conventional, error_of
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, estimated
from otel_genai_cost.usage.judging import hidden_tokens, usage_from
from otel_genai_cost.usage.payload import NO_PAYLOAD, payload_of, response_of, split_write
from otel_genai_cost.usage.providers import canonical, provider_of_model
from otel_genai_cost.usage.read import PROVIDERS_OWN, Known, Reading, SpanView
from otel_genai_cost.usage.token_headers import header_usage
from otel_genai_cost.usage.values import bounded_text, json_object, json_text, raw_of

__all__ = ["read"]

_TYPE: Final = "mlflow.spanType"
_USAGE: Final = "mlflow.chat.tokenUsage"
_OUTPUTS: Final = "mlflow.spanOutputs"
_RAW_RESPONSE: Final = "raw_llm_response"
"""LiteLLM's; its `mlflow.spanOutputs` have less."""

_MODEL: Final = "mlflow.llm.model"
_PROVIDER: Final = "mlflow.llm.provider"
_FORMAT: Final = "mlflow.message.format"
_ENDPOINT: Final = "api_base"
_REQUESTED: Final = "model"
_TOOL_RESULT: Final = "gen_ai.tool.call.result"
_RAW: Final = ("gen_ai.usage.", "gen_ai.tool.call.result")
_COST: Final = "response_cost"
_OTHER_CALL: Final = "image_generation"
"""OpenAI's images are a tool to MLflow; their response has a usage all the same."""

_CALLS: Final = {"CHAT_MODEL": "chat", "LLM": "chat", "EMBEDDING": "embeddings"}
_PUBLIC: Final = (
    "Models.generate_content",
    "Models.generate_content_stream",
    "Chat.send_message",
    "Chat.send_message_stream",
)
_WRAPPERS: Final = frozenset(prefix + method for prefix in ("", "Async") for method in _PUBLIC)
"""Gemini's public methods, around the private ones that make the calls."""

_LITELLM: Final = "litellm-"
_BEDROCK: Final = "BedrockRuntime."
_WHERE: Final = carriers(metadata=("metadata",), more={"user": "user"})


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    attributes = span.attributes
    if _TYPE not in attributes:
        return _semconv(span, known)
    operation = _CALLS.get(json_text(attributes.get(_TYPE)) or "")
    usage_object = json_object(attributes.get(_USAGE))
    tenant, labels = carried(attributes, _WHERE)
    model = json_text(attributes.get(_MODEL)) or json_text(attributes.get(_REQUESTED))
    outputs = attributes.get(_RAW_RESPONSE) or attributes.get(_OUTPUTS)
    payload = response_of(json_object(outputs)) if operation or model else NO_PAYLOAD
    if operation is None and model is not None and payload.counts is not NO_COUNTS:
        operation = _OTHER_CALL
    if operation is None and not usage_object:
        return Reading("context", tenant=tenant, labels=labels) if tenant or labels else None
    provider = _provider(span, model)
    is_litellm = span.name.startswith(_LITELLM)
    error = error_of(span)
    counts, facts = payload.counts, PROVIDERS_OWN
    if counts is NO_COUNTS:
        counts, facts = _counts(usage_object), known.of(provider)
    if counts is NO_COUNTS:
        counts = payload_of(header_usage(json_object(attributes.get(_OUTPUTS)))).counts
    if counts.output_total is None and "embedding" in span.name.casefold():
        operation = "embeddings"
    usage = usage_from(counts, facts, payload.model or model, operation, error)
    if payload.is_short or hidden_tokens(counts, usage_object.get("total_tokens")):
        usage = estimated(usage)
    cost = attributes.get(_COST)
    is_call = operation is not None and span.name not in _WRAPPERS
    return Reading(
        role="response" if is_call else "aggregate",
        operation=operation,
        provider=provider,
        model_requested=json_text(attributes.get(_REQUESTED)) or model,
        model_returned=payload.model or model,
        response_id=payload.response_id,
        usage=usage,
        context=payload.context,
        error=error,
        tenant=tenant,
        labels=labels,
        provider_cost=None if is_litellm else payload.bill.by(provider),
        foreign_cost=None if cost is None else bounded_text(cost),
        raw=None if usage.quality == "reported" else raw_of(attributes, (_USAGE,)),
        reporter="litellm" if is_litellm else json_text(attributes.get(_FORMAT)),
    )


def _counts(usage: Mapping[str, Any]) -> Counts:
    if not usage:
        return NO_COUNTS
    parts = {
        leaf: usage[key]
        for key, leaf in (
            ("cache_read_input_tokens", "cache_read"),
            ("cache_creation_input_tokens", "cache_write"),
        )
        if usage.get(key) is not None
    }
    split_write(parts, None, usage.get("cache_creation_input_tokens_above_1hr"))
    return Counts(usage.get("input_tokens"), usage.get("output_tokens"), parts)


def _provider(span: SpanView, model: str | None) -> str | None:
    """The provider named; for Bedrock that is the first part of the model's id, for OpenAI nothing. LiteLLM's callback
    names the endpoint only."""
    if span.name.startswith(_BEDROCK):
        return "aws.bedrock"
    attributes = span.attributes
    named = json_text(attributes.get(_PROVIDER)) or json_text(attributes.get(_FORMAT))
    if named not in (None, "langchain", "litellm"):
        return canonical(named)
    there = _host_of(json_text(attributes.get(_ENDPOINT)))
    found = place_of(there).provider if there else None
    return found or (provider_of_model(model) if model else None)


def _host_of(url: str | None) -> str | None:
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


def _semconv(span: SpanView, known: Known) -> Reading | None:
    """MLFLOW_ENABLE_OTEL_GENAI_SEMCONV: totals only, and of Gemini's output not even the thoughts."""
    model = span.attributes.get(names.GEN_AI_REQUEST_MODEL)
    provider = provider_of_model(model) if type(model) is str and len(model) < 256 else None
    counts = None
    result = response_of(json_object(span.attributes.get(_TOOL_RESULT))) if model else NO_PAYLOAD
    if result.counts is not NO_COUNTS:
        counts = result.counts
    reading = conventional(span, known, where=_WHERE, provider=provider, counts=counts, raw=_RAW)
    if reading is None:
        return None
    if counts is not None:
        return reading._replace(role="response", operation=_OTHER_CALL)
    return reading._replace(usage=estimated(reading.usage), raw=raw_of(span.attributes, _RAW))
