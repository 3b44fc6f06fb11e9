"""The OpenTelemetry GenAI semantic conventions, as today's instrumentations write them.

`input_tokens` includes cache reads, cache writes, audio, image and video; `output_tokens` includes reasoning and audio
(semantic-conventions #3163). Sub-counts of zero are left out by the emitters, so an absent part is not reported. Older
spellings are read where the newer one is missing: `gen_ai.system` (before 1.37), `prompt_tokens` and
`completion_tokens` (before 1.27), `cache_creation` (before util-genai 1.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.leaves import NO_USAGE, Usage, partition
from otel_genai_cost.usage.read import Attributes, Reading, SpanView

__all__ = ["read", "read_totals"]

_PARTS: Final = (
    ("cache_read", names.GEN_AI_USAGE_CACHE_READ),
    ("cache_write", names.GEN_AI_USAGE_CACHE_WRITE),
    ("reasoning", names.GEN_AI_USAGE_REASONING),
    ("input_audio", names.GEN_AI_USAGE_AUDIO_INPUT),
    ("output_audio", names.GEN_AI_USAGE_AUDIO_OUTPUT),
    ("input_image", names.GEN_AI_USAGE_IMAGE_INPUT),
    ("input_video", names.GEN_AI_USAGE_VIDEO_INPUT),
    ("output_image", names.GEN_AI_USAGE_IMAGE_OUTPUT),
    ("cache_read_audio", names.GEN_AI_USAGE_AUDIO_CACHE_READ),
)
_LABELS: Final = (
    ("plan", names.TENANT_PLAN, None),
    ("feature", names.FEATURE, None),
    ("workflow", names.WORKFLOW, names.GEN_AI_WORKFLOW_NAME),
    ("agent", names.AGENT, names.GEN_AI_AGENT_NAME),
    ("action", names.ACTION, None),
)
_POLLS: Final = frozenset({"fetch_response"})
_AGGREGATES: Final = frozenset({"invoke_agent", "create_agent", "invoke_workflow", "execute_tool"})
_TEXT_LIMIT: Final = 256
_LLM_MARKS: Final = (names.GEN_AI_OPERATION_NAME, names.GEN_AI_REQUEST_MODEL)
_NOTHING: Mapping[str, Any] = {}


def read(span: SpanView) -> Reading | None:
    """What the span says; None if it is no LLM call and carries neither usage nor a tenant."""
    attributes = span.attributes
    get = attributes.get
    usage = _usage(attributes)
    operation = _text(get(names.GEN_AI_OPERATION_NAME))
    role = _role(operation, usage, attributes)
    if role is None:
        return None
    return Reading(
        role,
        operation,
        _text(get(names.GEN_AI_PROVIDER_NAME) or get(names.GEN_AI_SYSTEM)),
        _text(get(names.GEN_AI_REQUEST_MODEL)),
        _text(get(names.GEN_AI_RESPONSE_MODEL)),
        _text(get(names.GEN_AI_RESPONSE_ID)),
        usage,
        _context(get),
        _error(span, get),
        1,
        None,
        _text(get(names.TENANT_ID)),
        _labels(get),
        None,
        _foreign_cost(get(names.GEN_AI_USAGE_COST)),
        None if usage.quality == "reported" else _raw(attributes),
    )


def read_totals(span: SpanView) -> Reading | None:
    """As `read`, for emitters that drop cached and reasoning tokens: totals are right, what is in them is a guess."""
    reading = read(span)
    if reading is None or reading.usage.quality != "reported":
        return reading
    return reading._replace(
        usage=reading.usage._replace(quality="estimated"), raw=_raw(span.attributes)
    )


def _role(operation: str | None, usage: Usage, attributes: Attributes) -> str | None:
    if operation in _POLLS:
        return "poll"
    if operation in _AGGREGATES:
        return "aggregate" if usage is not NO_USAGE else "context"
    if usage is not NO_USAGE or any(mark in attributes for mark in _LLM_MARKS):
        return "response"
    return "context" if names.TENANT_ID in attributes else None


def _usage(attributes: Attributes) -> Usage:
    get = attributes.get
    input_total = get(names.GEN_AI_USAGE_INPUT_TOKENS)
    if input_total is None:
        input_total = get(names.GEN_AI_USAGE_PROMPT_TOKENS)
    output_total = get(names.GEN_AI_USAGE_OUTPUT_TOKENS)
    if output_total is None:
        output_total = get(names.GEN_AI_USAGE_COMPLETION_TOKENS)
    if input_total is None and output_total is None:
        return NO_USAGE
    parts = {leaf: count for leaf, name in _PARTS if (count := get(name)) is not None}
    if (
        "cache_write" not in parts
        and (written := get(names.GEN_AI_USAGE_CACHE_CREATION)) is not None
    ):
        parts["cache_write"] = written
    return partition(input_total, output_total, parts)


def _context(get: Any) -> Mapping[str, Any]:
    """The tier that served the call, else the one asked for."""
    tier = (
        get(names.OPENAI_RESPONSE_SERVICE_TIER)
        or get(names.GEN_AI_OPENAI_RESPONSE_SERVICE_TIER)
        or get(names.OPENAI_REQUEST_SERVICE_TIER)
        or get(names.GEN_AI_OPENAI_REQUEST_SERVICE_TIER)
    )
    return {"service_tier": _text(tier)} if tier else _NOTHING


def _labels(get: Any) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for label, name, fallback in _LABELS:
        value = get(name) or (fallback and get(fallback))
        if isinstance(value, str):
            found[label] = value[:_TEXT_LIMIT]
    return found or _NOTHING


def _error(span: SpanView, get: Any) -> str | None:
    error = get(names.ERROR_TYPE)
    if error is None:
        return "error" if span.is_error else None
    return _text(error)


def _foreign_cost(value: object) -> str | None:
    """Kept as it was told, for comparison only."""
    return None if value is None else str(value)[:_TEXT_LIMIT]


def _text(value: object) -> str | None:
    """A word of bounded length; anything that is not text is not a name."""
    return value[:_TEXT_LIMIT] if isinstance(value, str) and value else None


def _raw(attributes: Attributes) -> Mapping[str, Any] | None:
    """The usage attributes as they were, for whoever looks into it later."""
    told = {
        key: str(attributes.get(key))[:_TEXT_LIMIT]
        for key in attributes
        if key.startswith("gen_ai.usage.")
    }
    return dict(list(told.items())[:16]) or None
