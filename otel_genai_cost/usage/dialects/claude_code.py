"""Claude Code's own spans: one `claude_code.llm_request` a call, in names of its own.

`input_tokens` is Anthropic's, without the cache. What is written to the cache lives for five minutes, Claude Code's
default. The system is `anthropic` whoever serves the model; a Bedrock or Vertex id shows who.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import conventional
from otel_genai_cost.usage.counts import NO_COUNTS, Spelling, spelled
from otel_genai_cost.usage.providers import provider_of_model
from otel_genai_cost.usage.read import NOTHING, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import word

__all__ = ["READS", "read"]

_TYPE: Final = "span.type"
_CALL: Final = "llm_request"
_NAME: Final = "claude_code.llm_request"
_SPELLING: Final = Spelling(
    ("input_tokens", names.GEN_AI_USAGE_INPUT_TOKENS),
    ("output_tokens", names.GEN_AI_USAGE_OUTPUT_TOKENS),
    {
        "cache_read_tokens": "cache_read",
        names.GEN_AI_USAGE_CACHE_READ: "cache_read",
        "cache_creation_tokens": "cache_write_5m",
        names.GEN_AI_USAGE_CACHE_CREATION: "cache_write_5m",
    },
)
READS: Final = _SPELLING.names()
_MODEL: Final = "model"
_SPEED: Final = "speed"
_NORMAL: Final = "normal"
_ATTEMPT: Final = "attempt"
_ATTEMPTS_MAX: Final = 100
_SUCCESS: Final = "success"
_STATUS: Final = "status_code"
_WHERE: Final = carriers(more={"organization.id": "team"})


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says. Interactions, tools and hooks only have a session and a user."""
    attributes = span.attributes
    is_call = span.name == _NAME or attributes.get(_TYPE) == _CALL
    counts = spelled(attributes, _SPELLING) if is_call else NO_COUNTS
    reading = conventional(
        span,
        known,
        counts=counts,
        where=_WHERE,
        provider=_provider(attributes),
        context=_context(attributes),
        raw=tuple(READS),
    )
    if reading is None or not is_call:
        return None if reading is None else reading._replace(role="context")
    attempt = attributes.get(_ATTEMPT)
    return reading._replace(
        role="response",
        operation="chat",
        model_requested=reading.model_requested or word(attributes.get(_MODEL)),
        error=reading.error or _error(attributes),
        attempts=attempt if type(attempt) is int and 0 < attempt < _ATTEMPTS_MAX else 1,
    )


def _provider(attributes: Attributes) -> str:
    model = word(attributes.get(names.GEN_AI_REQUEST_MODEL)) or word(attributes.get(_MODEL)) or ""
    return provider_of_model(model) or ("gcp.vertex_ai" if "@" in model else "anthropic")


def _context(attributes: Attributes) -> Mapping[str, str]:
    speed = word(attributes.get(_SPEED))
    return NOTHING if speed in (None, _NORMAL) else {_SPEED: str(speed)}


def _error(attributes: Attributes) -> str | None:
    """The provider's status, where a call that is no success says so."""
    if attributes.get(_SUCCESS) is not False:
        return None
    status = attributes.get(_STATUS)
    return str(status) if type(status) is int and abs(status) < 1000 else word(status) or "error"
