"""LiteLLM's own OpenTelemetry callback, in its default, experimental and V2 forms.

The first two carry LiteLLM's usage object as the `repr` of a dict; V2 has fewer counts. A stream without usage says 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, estimated, spelled
from otel_genai_cost.usage.payload import payload_of
from otel_genai_cost.usage.providers import canonical, without_provider
from otel_genai_cost.usage.read import PROVIDERS_OWN, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import as_object, python_object, raw_of, told, word

__all__ = ["read"]

_USAGE: Final = "metadata.usage_object"
_COSTS: Final = ("gen_ai.cost.total_cost", "litellm.cost.total")
_TOOL_COSTS: Final = ("gen_ai.cost.tool_usage_cost", "litellm.cost.tool_usage")
_PROVIDER_MODEL: Final = "litellm.provider.model"
_WHERE: Final = carriers(
    more={
        "metadata.user_api_key_team_id": "team",
        "metadata.user_api_key_end_user_id": "user",
        "llm.user": "user",
    }
)
_OPERATIONS: Final = {"embedding": "embeddings", "responses": "chat"}


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says. The span of the raw request and those of the proxy's own work are none."""
    attributes = span.attributes
    if names.GEN_AI_OPERATION_NAME not in attributes:
        return None
    counts, context = _counts(python_object(attributes.get(_USAGE)))
    facts = PROVIDERS_OWN
    if counts is NO_COUNTS:
        counts, facts = spelled(attributes, SPELLING), known.default
    reading = conventional(
        span,
        known,
        counts=counts,
        where=_WHERE,
        provider=_provider(attributes),
        context=context,
        facts=facts,
    )
    if reading is None:
        return None
    cost = next((attributes[name] for name in _COSTS if name in attributes), None)
    reading = reading._replace(
        operation=_OPERATIONS.get(reading.operation or "", reading.operation),
        model_requested=without_provider(reading.model_requested, reading.provider),
        foreign_cost=None if cost is None else told(cost),
    )
    is_gemini = (reading.provider or "").startswith("gcp.")  # billed by the prompt or by the query
    if ("web_searches" not in counts.parts or is_gemini) and _used_tools(attributes):
        usage = estimated(reading.usage)
        return reading._replace(usage=usage, raw=raw_of(attributes, (names.GEN_AI_USAGE_PREFIX,)))
    return reading


def _used_tools(attributes: Attributes) -> bool:
    return any(attributes.get(name) for name in _TOOL_COSTS)


def _counts(usage: Mapping[str, Any]) -> tuple[Counts, Mapping[str, Any]]:
    """LiteLLM's usage object: Gemini's tool use and searches are among its details, its `cost` is LiteLLM's own."""
    payload = payload_of(usage)
    counts = payload.counts
    details = as_object(usage.get("prompt_tokens_details"))
    tools, searches = details.get("tool_use_tokens"), details.get("web_search_requests")
    if type(tools) is int and type(counts.input_total) is int:
        counts = counts._replace(input_total=counts.input_total + tools)
    if searches and "web_searches" not in counts.parts:
        counts = counts._replace(parts={**counts.parts, "web_searches": searches})
    return counts, payload.context


def _provider(attributes: Attributes) -> str | None:
    """The provider named, else the one before the model's slash."""
    for name in (names.GEN_AI_PROVIDER_NAME, names.GEN_AI_SYSTEM):
        if (named := word(attributes.get(name))) is not None:
            return canonical(named)
    model = word(attributes.get(_PROVIDER_MODEL)) or ""
    prefix, slash, _ = model.partition("/")
    return canonical(prefix) if slash else None
