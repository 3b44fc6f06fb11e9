"""The OpenTelemetry GenAI semantic conventions, as today's instrumentations write them.

`input_tokens` includes cache reads, cache writes, audio, image and video; `output_tokens` includes reasoning and audio
(semantic-conventions #3163). Sub-counts of zero are left out by the emitters, so an absent part is not reported. Older
spellings are read where the newer one is missing: `gen_ai.system` (before 1.37), `prompt_tokens` and
`completion_tokens` (before 1.27), `cache_creation` (before util-genai 1.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.leaves import NO_USAGE, Usage, partition
from otel_genai_cost.usage.read import NOTHING, Attributes, Reading, SpanView

__all__ = ["read", "read_totals"]

_PARTS: Final = {
    names.GEN_AI_USAGE_CACHE_READ: "cache_read",
    names.GEN_AI_USAGE_CACHE_WRITE: "cache_write",
    names.GEN_AI_USAGE_REASONING: "reasoning",
    names.GEN_AI_USAGE_AUDIO_INPUT: "input_audio",
    names.GEN_AI_USAGE_AUDIO_OUTPUT: "output_audio",
    names.GEN_AI_USAGE_IMAGE_INPUT: "input_image",
    names.GEN_AI_USAGE_VIDEO_INPUT: "input_video",
    names.GEN_AI_USAGE_IMAGE_OUTPUT: "output_image",
    names.GEN_AI_USAGE_AUDIO_CACHE_READ: "cache_read_audio",
    names.GEN_AI_USAGE_CACHE_CREATION: "cache_write",  # the last, so that it gives way
}
_TIERS: Final = (
    names.OPENAI_RESPONSE_SERVICE_TIER,
    names.GEN_AI_OPENAI_RESPONSE_SERVICE_TIER,
    names.OPENAI_REQUEST_SERVICE_TIER,
    names.GEN_AI_OPENAI_REQUEST_SERVICE_TIER,
)
"""The tier that served the call, else the one asked for."""

_LABELS: Final = {
    names.GEN_AI_WORKFLOW_NAME: "workflow",
    names.GEN_AI_AGENT_NAME: "agent",
    names.TENANT_PLAN: "plan",
    names.FEATURE: "feature",
    names.WORKFLOW: "workflow",
    names.AGENT: "agent",
    names.ACTION: "action",
}
"""Attribute -> label; of two for one label the later row wins."""

_ROLES: Final = {
    "fetch_response": ("poll", "poll"),
    **dict.fromkeys(
        ("invoke_agent", "create_agent", "invoke_workflow", "execute_tool"),
        ("aggregate", "context"),
    ),
}
"""Operation -> what a span is with usage, and without; any other operation is a call of a model."""

_RESPONSE: Final = ("response", "response")
_TEXT_LIMIT: Final = 256
_RAW_ATTRIBUTES_MAX: Final = 16
_RAW_TEXT_LIMIT: Final = 160
"""With RAW_ATTRIBUTES_MAX names of at most as much, a record's `raw` stays below 4 KiB."""

_INT_LIMIT: Final = 10**40

_new_reading: Callable[..., Reading] = tuple.__new__  # pyright: ignore -- tuple's own type has no parameter here
"""Twice as fast as calling the class, which would only pass its arguments on to this."""


def read(span: SpanView) -> Reading | None:
    """What the span says; None if it is no LLM call and carries neither usage nor a tenant."""
    attributes = span.attributes
    get = attributes.get
    usage = _usage(attributes)
    operation = get(names.GEN_AI_OPERATION_NAME)
    model = get(names.GEN_AI_REQUEST_MODEL)
    tenant = get(names.TENANT_ID)
    known = usage is not NO_USAGE
    if not known and operation is None and model is None:
        if tenant is None:
            return None
        role = "context"
    else:
        roles = _ROLES.get(operation, _RESPONSE) if type(operation) is str else _RESPONSE
        role = roles[0] if known else roles[1]
    provider = get(names.GEN_AI_PROVIDER_NAME) or get(names.GEN_AI_SYSTEM)
    error = get(names.ERROR_TYPE)
    foreign_cost = get(names.GEN_AI_USAGE_COST)
    return _new_reading(
        Reading,
        (
            role,
            _text(operation),
            _text(provider),
            _text(model),
            _text(get(names.GEN_AI_RESPONSE_MODEL)),
            _text(get(names.GEN_AI_RESPONSE_ID)),
            usage,
            _context(attributes),
            _text(error) if error is not None else "error" if span.is_error else None,
            1,
            None,
            None if tenant is None else _text(tenant),
            _labels(attributes),
            None,
            None if foreign_cost is None else _told(foreign_cost),
            None if usage.quality == "reported" else _raw(attributes),
        ),
    )


def read_totals(span: SpanView) -> Reading | None:
    """As `read`, for emitters that drop cached and reasoning tokens: totals are right, what is in them is a guess."""
    reading = read(span)
    if reading is None or reading.usage.quality != "reported":
        return reading
    return reading._replace(
        usage=reading.usage._replace(quality="estimated"), raw=_raw(span.attributes)
    )


def _usage(attributes: Attributes) -> Usage:
    get = attributes.get
    input_total = get(names.GEN_AI_USAGE_INPUT_TOKENS)
    if input_total is None:
        input_total = get(names.GEN_AI_USAGE_PROMPT_TOKENS)
    output_total = get(names.GEN_AI_USAGE_OUTPUT_TOKENS)
    if output_total is None:
        output_total = get(names.GEN_AI_USAGE_COMPLETION_TOKENS)
    parts: dict[str, int] = {}
    for name in _PARTS:
        if name in attributes:
            parts.setdefault(_PARTS[name], attributes[name])
    if input_total is None and output_total is None and not parts:
        return NO_USAGE
    return partition(input_total, output_total, parts)


def _context(attributes: Attributes) -> Mapping[str, Any]:
    for name in _TIERS:
        if name in attributes and (tier := _text(attributes[name])) is not None:
            return {"service_tier": tier}
    return NOTHING


def _labels(attributes: Attributes) -> Mapping[str, str]:
    found: dict[str, str] | None = None
    for name in _LABELS:
        if name in attributes and (value := _text(attributes[name])) is not None:
            found = found or {}
            found[_LABELS[name]] = value
    return found or NOTHING


def _text(value: object) -> str | None:
    """A word of bounded length; anything that is not text is not a name."""
    if type(value) is str and value:
        return value if len(value) <= _TEXT_LIMIT else value[:_TEXT_LIMIT]
    return None


def _raw(attributes: Attributes) -> Mapping[str, Any] | None:
    """The usage attributes as they were, for whoever looks into it later; at most 4 KiB."""
    found = [key for key in attributes if key.startswith("gen_ai.usage.")][:_RAW_ATTRIBUTES_MAX]
    return {key[:_RAW_TEXT_LIMIT]: _told(attributes[key]) for key in found} or None


def _told(value: object) -> str:
    """A foreign value for a person to look at; one that would take long to print is named by its type."""
    if type(value) is str:
        return value[:_RAW_TEXT_LIMIT]
    if type(value) is int and abs(value) >= _INT_LIMIT:
        return f"int of {value.bit_length()} bits"
    return f"a {type(value).__name__}" if hasattr(value, "__len__") else str(value)
