"""What answers in OpenAI's wire format say, whole or in parts, from any provider that speaks it.

They are the client's models, or namespaces read from the bytes; what a provider adds to the format is looked for where
an answer ends, because a model is slow to say that it lacks something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.method import LAST, ONLY_USAGE, PART, Attributes

__all__ = ["part_of_chat", "part_of_response", "read_chat", "read_response", "without_usage"]

_WHOLE: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
"""Events of a response that carry it as a whole: so far, and at its end."""


_INPUT_PARTS: Final = (
    ("cached_tokens", names.GEN_AI_USAGE_CACHE_READ),
    ("cache_write_tokens", names.GEN_AI_USAGE_CACHE_WRITE),
    ("audio_tokens", names.GEN_AI_USAGE_AUDIO_INPUT),
)
_OUTPUT_PARTS: Final = (
    ("audio_tokens", names.GEN_AI_USAGE_AUDIO_OUTPUT),
    ("reasoning_tokens", names.GEN_AI_USAGE_REASONING),
)
"""Key in a total's details -> attribute."""


def read_chat(answer: Any) -> Attributes:
    """A chat completion, a legacy completion, or the answer to an embedding."""
    found: Attributes = {}
    _head(found, answer)
    _choices(found, getattr(answer, "choices", None))
    if (usage := getattr(answer, "usage", None)) is not None:
        _usage(found, usage, "prompt", "completion")
    return found


def part_of_chat(found: Attributes, chunk: Any) -> int:
    """A chunk of a streamed completion. The last one that counts has usage alone, after the finish reason."""
    choices, usage = getattr(chunk, "choices", None), getattr(chunk, "usage", None)
    if names.GEN_AI_RESPONSE_ID not in found or (not choices and usage is None):
        _head(found, chunk)
    if choices:
        for choice in choices:
            if choice.finish_reason is not None:
                _end_of_choice(found, chunk, choice)
    if usage is None:
        return PART
    _head(found, chunk)
    _usage(found, usage, "prompt", "completion")
    if choices:
        return PART
    return ONLY_USAGE | LAST if names.GEN_AI_RESPONSE_FINISH_REASONS in found else ONLY_USAGE


def without_usage(chunk: Any) -> None:
    """Make a chunk what it would be had nobody asked: then it has no usage, not even an empty one."""
    fields_set = getattr(chunk, "__pydantic_fields_set__", None)
    if fields_set is not None and chunk.usage is None:
        fields_set.discard("usage")


def read_response(answer: Any) -> Attributes:
    """A response of the Responses API."""
    found: Attributes = {}
    _head(found, answer)
    if (usage := getattr(answer, "usage", None)) is not None:
        _usage(found, usage, "input", "output")
    return found


def part_of_response(found: Attributes, event: Any) -> int:
    """An event of a streamed response."""
    kind = getattr(event, "type", None)
    if kind in _WHOLE or kind in _ENDS:
        found.update(read_response(event.response))
        return LAST if kind in _ENDS else PART
    return PART


def _head(found: Attributes, answer: Any) -> None:
    """Who answered. Some hosts begin with a chunk that names nobody."""
    for name, key in (
        (names.GEN_AI_RESPONSE_ID, "id"),
        (names.GEN_AI_RESPONSE_MODEL, "model"),
        (names.OPENAI_RESPONSE_SERVICE_TIER, "service_tier"),
    ):
        value = getattr(answer, key, None)
        if isinstance(value, str) and value:
            found[name] = value


def _choices(found: Attributes, choices: Any) -> None:
    reasons = [choice.finish_reason for choice in choices or () if choice.finish_reason]
    if reasons:
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = reasons


def _end_of_choice(found: Attributes, chunk: Any, choice: Any) -> None:
    """A choice has ended, and some hosts put the usage there in a way of their own: Groq beside it, Moonshot in it."""
    reasons = found.get(names.GEN_AI_RESPONSE_FINISH_REASONS, [])
    found[names.GEN_AI_RESPONSE_FINISH_REASONS] = [*reasons, choice.finish_reason]
    _head(found, chunk)
    for usage in (_inner(getattr(chunk, "x_groq", None), "usage"), _inner(choice, "usage")):
        if usage is not None:
            _usage(found, usage, "prompt", "completion")


def _usage(found: Attributes, usage: Any, inwards: str, outwards: str) -> None:
    """Totals as reported; parts only where they are not zero, as the conventions' other emitters do."""
    for name, key in (
        (names.GEN_AI_USAGE_INPUT_TOKENS, f"{inwards}_tokens"),
        (names.GEN_AI_USAGE_OUTPUT_TOKENS, f"{outwards}_tokens"),
    ):
        total = _inner(usage, key)
        if total is not None:
            found[name] = total
    for key, parts in ((inwards, _INPUT_PARTS), (outwards, _OUTPUT_PARTS)):
        details = _fields(_inner(usage, f"{key}_tokens_details"))
        for part, name in parts:
            count = details.get(part)
            if count:
                found[name] = count


def _fields(holder: Any) -> Mapping[str, Any]:
    """What a model, a namespace or a mapping holds, what a model does not know included."""
    if isinstance(holder, dict):
        return cast("dict[str, Any]", holder)
    known: dict[str, Any] = getattr(holder, "__dict__", {})
    more: dict[str, Any] | None = getattr(holder, "__pydantic_extra__", None)
    return {**known, **more} if more else known


def _inner(holder: Any, key: str) -> Any:
    """What stands there, whether a model or, in what a model does not know, a mapping holds it."""
    if isinstance(holder, dict):
        return cast("dict[str, Any]", holder).get(key)
    return getattr(holder, key, None)
