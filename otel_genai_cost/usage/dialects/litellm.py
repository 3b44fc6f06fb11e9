"""LiteLLM's own OpenTelemetry callback, in its default, experimental and V2 forms.

The first two carry LiteLLM's usage object as the `repr` of a dict, whose `cost` is LiteLLM's own; V2 has fewer counts.
A stream without usage says 0. What LiteLLM answers from its own cache was never asked of a provider.
"""

from __future__ import annotations

import re
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, estimated, spelled
from otel_genai_cost.usage.leaves import NO_USAGE
from otel_genai_cost.usage.payload import payload_of
from otel_genai_cost.usage.providers import canonical, without_provider
from otel_genai_cost.usage.read import PROVIDERS_OWN, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import bounded_text, python_object, raw_of, word, wrapped_provider

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
_OPERATIONS: Final = {"embedding": "embeddings", "responses": "chat", "aresponses": "chat"}
_STORED: Final = re.compile(r"a?(?:get|retrieve|list|delete|cancel)_")
"""Functions that ask about what was made before: a response is reported again, and nothing is billed."""

_CACHE_HIT: Final = "litellm.cache_hit"


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says. The span of the raw request and those of the proxy's own work are none."""
    attributes = span.attributes
    if names.GEN_AI_OPERATION_NAME not in attributes:
        return None
    payload = payload_of(python_object(attributes.get(_USAGE)))
    counts, facts = payload.counts, PROVIDERS_OWN
    if counts is NO_COUNTS:
        counts, facts = spelled(attributes, SPELLING), known.default
    reading = conventional(
        span,
        known,
        counts=counts,
        where=_WHERE,
        provider=_provider(attributes),
        context=payload.context,
        facts=facts,
    )
    if reading is None:
        return None
    if _STORED.match(reading.operation or ""):
        return reading._replace(role="poll" if reading.response_id else "context")
    if attributes.get(_CACHE_HIT) in (True, "True"):
        return reading._replace(role="context", usage=NO_USAGE, raw=None)
    cost = next((attributes[name] for name in _COSTS if name in attributes), None)
    reading = reading._replace(
        operation=_OPERATIONS.get(reading.operation or "", reading.operation),
        model_requested=without_provider(reading.model_requested, reading.provider),
        foreign_cost=None if cost is None else bounded_text(cost),
    )
    hides_tools = "web_searches" not in counts.parts and any(map(attributes.get, _TOOL_COSTS))
    if payload.is_short or hides_tools:
        usage = estimated(reading.usage)
        return reading._replace(usage=usage, raw=raw_of(attributes, (names.GEN_AI_USAGE_PREFIX,)))
    return reading


def _provider(attributes: Attributes) -> str | None:
    """The provider named, else the one before the model's slash, else the one in the response's id."""
    for name in (names.GEN_AI_PROVIDER_NAME, names.GEN_AI_SYSTEM):
        if (named := word(attributes.get(name))) is not None:
            return canonical(named)
    model = word(attributes.get(_PROVIDER_MODEL)) or ""
    prefix, slash, _ = model.partition("/")
    named = prefix if slash else wrapped_provider(attributes.get(names.GEN_AI_RESPONSE_ID))
    return None if named is None else canonical(named)
