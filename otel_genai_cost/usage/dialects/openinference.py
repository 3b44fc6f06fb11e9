"""OpenInference (Arize Phoenix): `llm.token_count.*`, and the provider's response as JSON in `output.value`.

The id of a response, its tier and its server tools stand only in that JSON, so it is parsed where a call has one of
bounded size. AGENT, CHAIN and TOOL spans are wrappers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.usage.carried import carried, carriers
from otel_genai_cost.usage.conventions import error_of, is_responses
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, Spelling, estimated, spelled
from otel_genai_cost.usage.inclusion import TWO_CONVENTIONS, bounded, settled
from otel_genai_cost.usage.judging import hidden_tokens, shows_search, usage_from
from otel_genai_cost.usage.payload import NO_PAYLOAD, Payload, context_of, payload_of, response_of
from otel_genai_cost.usage.providers import canonical, provider_of_model, without_provider
from otel_genai_cost.usage.read import NOTHING, PROVIDERS_OWN, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import as_object, bounded_text, json_object, raw_of, word
from otel_genai_cost.vocabulary import Role

__all__ = ["READS", "read"]

_KIND: Final = "openinference.span.kind"
_CALLS: Final = {"LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"}
_COUNT: Final = "llm.token_count."
_SPELLING: Final = Spelling(
    (_COUNT + "prompt",),
    (_COUNT + "completion",),
    {
        _COUNT + "prompt_details.cache_read": "cache_read",
        _COUNT + "prompt_details.cache_write": "cache_write",
        _COUNT + "prompt_details.audio": "input_audio",
        _COUNT + "completion_details.audio": "output_audio",
        _COUNT + "completion_details.reasoning": "reasoning",
    },
)
READS: Final = _SPELLING.names()
_MODELS_REQUESTED: Final = ("llm.request.model_name",)
_MODELS_RETURNED: Final = (
    "llm.response.model_name",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
)
_PROVIDER: Final = "llm.provider"
_SYSTEM: Final = "llm.system"
_PARAMETERS: Final = "llm.invocation_parameters"
_FINISH_REASON: Final = "llm.finish_reason"
_OUTPUT: Final = "output.value"
_METADATA: Final = "metadata"
_COST: Final = "llm.cost.total"
_TOOL: Final = "llm.tools.0.tool.json_schema"
_LANGCHAINS_PROVIDER: Final = "ls_provider"
_STREAMED_PARTIALLY: Final = ("anthropic", "gcp.gemini", "gcp.vertex_ai")
"""Providers that count while they stream: what was counted until a stream was left is less than what is billed."""

_PARTIAL_CLIENTS: Final = (".anthropic", "-anthropic", ".google_genai")
_FREE: Final = "count_tokens"
_NOVA_INVOKED: Final = ("bedrock.invoke_model", "amazon.nova")
"""InvokeModel of a Nova model, whose input leaves the cache out."""

_INVOKED_STREAM: Final = "invoke_model_with_response_stream"
"""Its cache, and whether it was left, stand in `output.value` only."""

_FETCHED: Final = ("Response", "{}")
"""`responses.retrieve()`: the span of a response for which nothing was asked."""

_WHERE: Final = carriers(metadata=(_METADATA, _PARAMETERS))


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    attributes = span.attributes
    operation = _CALLS.get((word(attributes.get(_KIND)) or "").upper())
    if span.name.endswith(_FREE):
        return None
    tenant, labels = carried(attributes, _WHERE)
    counts = spelled(attributes, _SPELLING)
    if operation is None and counts is NO_COUNTS:
        return Reading("context", tenant=tenant, labels=labels) if tenant or labels else None
    payload = _payload(attributes) if operation else NO_PAYLOAD
    is_own = payload.counts is not NO_COUNTS
    if is_own:
        counts = payload.counts
    counts = _with_searches(counts, attributes)
    returned = _first(attributes, _MODELS_RETURNED)
    provider = _provider(attributes, returned)
    error = error_of(span)
    facts = PROVIDERS_OWN if is_own else known.of(provider)
    if (
        not is_own
        and span.name.startswith(_NOVA_INVOKED[0])
        and _NOVA_INVOKED[1] in (returned or "")
    ):
        facts = facts._replace(cache_outside=True)
    judged = settled(
        counts, facts, provider, returned, _total(attributes), is_responses=is_responses(span)
    )
    usage = usage_from(judged.counts, facts, returned, operation, error)
    if judged.is_doubtful:
        usage = bounded(usage, judged.other)
    elif (
        payload.is_short
        or (not is_own and span.name.endswith(_INVOKED_STREAM))
        or _is_partial(provider, attributes, span.scope_name)
        or _hides_search(counts, attributes)
        or hidden_tokens(judged.counts, _total(attributes))
    ):
        usage = estimated(usage)
    cost = attributes.get(_COST)
    return Reading(
        role=_role(span, operation),
        operation=operation,
        provider=provider,
        model_requested=without_provider(
            _first(attributes, _MODELS_REQUESTED) or returned, provider
        ),
        model_returned=payload.model or without_provider(returned, provider),
        response_id=payload.response_id,
        usage=usage,
        context=_context(attributes, payload),
        error=error,
        tenant=tenant,
        labels=labels,
        provider_cost=payload.bill.by(provider) if cost is None else None,
        foreign_cost=None if cost is None else bounded_text(cost),
        raw=None if usage.quality == "reported" else raw_of(attributes, (_COUNT,)),
        doubts=(TWO_CONVENTIONS,) if judged.is_doubtful else (),
    )


def _role(span: SpanView, operation: str | None) -> Role:
    if operation is None:
        return "aggregate"
    return "poll" if (span.name, span.attributes.get(_PARAMETERS)) == _FETCHED else "response"


def _payload(attributes: Attributes) -> Payload:
    """The provider's response; LangChain's callback has what is left of it under `llm_output`."""
    response = json_object(attributes.get(_OUTPUT))
    inner = as_object(response.get("llm_output"))
    if not inner:
        return response_of(response) if response else NO_PAYLOAD
    found = payload_of(as_object(inner.get("token_usage")) or as_object(inner.get("usage")))
    return found._replace(
        context={**context_of(inner), **found.context} or NOTHING,
        response_id=word(inner.get("id")),
        model=word(inner.get("model_name")) or word(inner.get("model")),
    )


def _context(attributes: Attributes, payload: Payload) -> Mapping[str, Any]:
    """The tier that served the call, else the one asked for."""
    if payload.context:
        return payload.context
    asked = json_object(attributes.get(_PARAMETERS)).get("service_tier")
    return {"service_tier": tier} if (tier := word(asked)) is not None else NOTHING


def _with_searches(counts: Counts, attributes: Attributes) -> Counts:
    """The Anthropic instrumentation keeps the server's tools in its metadata."""
    text = attributes.get(_METADATA)
    if counts is NO_COUNTS or "web_searches" in counts.parts or type(text) is not str:
        return counts
    if "server_tool_use" not in text:
        return counts
    searches = as_object(json_object(text).get("server_tool_use")).get("web_search_requests")
    return counts._replace(parts={**counts.parts, "web_searches": searches}) if searches else counts


def _hides_search(counts: Counts, attributes: Attributes) -> bool:
    return "web_searches" not in counts.parts and shows_search(attributes, (_TOOL,))


def _total(attributes: Attributes) -> object:
    return attributes.get(_COUNT + "total")


def _is_partial(provider: str | None, attributes: Attributes, scope: str) -> bool:
    return (
        provider in _STREAMED_PARTIALLY
        and _FINISH_REASON not in attributes
        and scope.endswith(_PARTIAL_CLIENTS)
        and _COUNT + "completion" in attributes
    )


def _provider(attributes: Attributes, model: str | None) -> str | None:
    """The provider; JavaScript's LangChain names it in its metadata only."""
    name = word(attributes.get(_PROVIDER)) or word(attributes.get(_SYSTEM))
    if name is None:
        name = word(json_object(attributes.get(_METADATA)).get(_LANGCHAINS_PROVIDER))
    if name is not None:
        return canonical(name)
    return provider_of_model(model) if model is not None else None


def _first(attributes: Attributes, keys: tuple[str, ...]) -> str | None:
    return next((found for key in keys if (found := word(attributes.get(key))) is not None), None)
