"""What answers in OpenAI's wire format say, whole or in parts, from any provider that speaks it.

They are the client's models, or namespaces read from the bytes; what a provider adds to the format is looked for where
an answer ends, because a model is slow to say that it lacks something. Usage that has nothing but what the client's
model of it has, and adds up, is read here; any other by the rules of `usage.payload`, which know who adds what.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import as_json, billed_searches, described, inner
from otel_genai_instrumentors.method import LAST, ONLY_USAGE, PART, Attributes

__all__ = [
    "part_of_chat",
    "part_of_response",
    "read_chat",
    "read_response",
    "text_of_chat",
    "text_of_completion",
    "text_of_response",
    "without_usage",
]

_WHOLE: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
"""Events of a response that carry it as a whole: so far, and at its end."""


_INPUT_PARTS: Final = {
    "cached_tokens": names.GEN_AI_USAGE_CACHE_READ,
    "cache_write_tokens": names.GEN_AI_USAGE_CACHE_WRITE,
    "audio_tokens": names.GEN_AI_USAGE_AUDIO_INPUT,
    "image_tokens": names.GEN_AI_USAGE_IMAGE_INPUT,
}
_OUTPUT_PARTS: Final = {
    "audio_tokens": names.GEN_AI_USAGE_AUDIO_OUTPUT,
    "reasoning_tokens": names.GEN_AI_USAGE_REASONING,
}
"""Key in a total's details -> attribute."""


_HEAD: Final = (
    (names.GEN_AI_RESPONSE_ID, "id"),
    (names.GEN_AI_RESPONSE_MODEL, "model"),
    (names.OPENAI_RESPONSE_SERVICE_TIER, "service_tier"),
)


class _Keys(NamedTuple):
    """How an API calls its totals and their details."""

    input: str
    output: str
    inside: str
    outside: str


_CHAT: Final = _Keys(
    "prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"
)
_RESPONSE: Final = _Keys(
    "input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"
)
_EXTRA: Final = "__pydantic_extra__"
_UNKNOWN: Final = True
"""What is no model of the client's: whatever it holds may be another's."""

_LIFETIMES: Final = "cache_write_tokens_details"
_LONG: Final = "ttl_12h_tokens"
"""Of what is written to the cache, what is kept for half a day, which is dearer than what is counted."""

_SEARCH: Final = "web_search_call"
_TOOLS: Final = frozenset(
    {_SEARCH, "image_generation_call", "file_search_call", "code_interpreter_call"}
)
"""Items of a response that are billed beside its tokens: the searches are counted."""


def read_chat(answer: Any) -> Attributes:
    """A chat completion, a legacy completion, or the answer to an embedding."""
    found: Attributes = {}
    _head(found, answer)
    _choices(found, getattr(answer, "choices", None))
    if (usage := getattr(answer, "usage", None)) is not None:
        _usage(found, usage, _CHAT)
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
    if choices and names.GEN_AI_RESPONSE_FINISH_REASONS not in found:  # of what came so far
        _totals(found, usage)
        return PART
    _usage(found, usage, _CHAT)
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
        _usage(found, usage, _RESPONSE)
        _tools(found, answer)
    return found


def part_of_response(found: Attributes, event: Any) -> int:
    """An event of a streamed response."""
    kind = getattr(event, "type", None)
    if kind in _WHOLE or kind in _ENDS:
        found.update(read_response(event.response))
        return LAST if kind in _ENDS else PART
    return PART


def _tools(found: Attributes, answer: Any) -> None:
    """What the provider's own tools did, which its usage leaves out."""
    output: Any = getattr(answer, "output", None) or ()
    calls = [item for item in output if getattr(item, "type", None) in _TOOLS]
    if not calls:
        return
    searches = [
        {"type": call.type, "action": as_json(getattr(call, "action", None))} for call in calls
    ]
    used = as_json(getattr(answer, "tool_usage", None))
    if count := billed_searches({"tool_usage": used, "output": searches}):
        found[names.USAGE_WEB_SEARCHES] = count
    if any(call.type != _SEARCH for call in calls):
        found[names.USAGE_INCOMPLETE] = True


def text_of_chat(chunk: Any) -> str | None:
    """The text that a chunk of a chat brings, or what it brings of a tool's call."""
    choices = getattr(chunk, "choices", None)
    if not choices:
        return None
    delta = getattr(choices[0], "delta", None)
    return getattr(delta, "content", None) or _text_of_call(delta)


def _text_of_call(delta: Any) -> str | None:
    calls = getattr(delta, "tool_calls", None)
    if calls:
        return getattr(getattr(calls[0], "function", None), "arguments", None)
    return getattr(delta, "refusal", None) or getattr(delta, "reasoning_content", None)


def text_of_completion(chunk: Any) -> str | None:
    """The same of a legacy completion."""
    choices = getattr(chunk, "choices", None)
    return getattr(choices[0], "text", None) if choices else None


def text_of_response(event: Any) -> str | None:
    """The text that an event of a response brings, of whatever kind."""
    text = getattr(event, "delta", None)
    return text if isinstance(text, str) and "audio.delta" not in event.type else None


def _head(found: Attributes, answer: Any) -> None:
    """Who answered. Some hosts begin with a chunk that names nobody."""
    for name, key in _HEAD:
        value = getattr(answer, key, None)
        if isinstance(value, str) and value:
            found[name] = value


def _choices(found: Attributes, choices: Any) -> None:
    reasons: list[Any] = []
    for choice in choices or ():
        if choice.finish_reason:
            reasons.append(choice.finish_reason)  # noqa: PERF401 -- in Python 3.11 a list's own loop is a call
    if reasons:
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = reasons


def _end_of_choice(found: Attributes, chunk: Any, choice: Any) -> None:
    """A choice has ended, and some hosts put the usage there in a way of their own: Groq beside it, Moonshot in it."""
    reasons = found.get(names.GEN_AI_RESPONSE_FINISH_REASONS, [])
    found[names.GEN_AI_RESPONSE_FINISH_REASONS] = [*reasons, choice.finish_reason]
    _head(found, chunk)
    for usage in (inner(getattr(chunk, "x_groq", None), "usage"), inner(choice, "usage")):
        if usage is not None:
            _usage(found, usage, _CHAT)


def _totals(found: Attributes, usage: Any) -> None:
    """What was counted until now."""
    for name, key in (
        (names.GEN_AI_USAGE_INPUT_TOKENS, _CHAT.input),
        (names.GEN_AI_USAGE_OUTPUT_TOKENS, _CHAT.output),
    ):
        if (count := inner(usage, key)) is not None:
            found[name] = count


def _usage(found: Attributes, usage: Any, keys: _Keys) -> None:
    """Totals as reported; parts only where they are not zero, as the conventions' other emitters do."""
    known: Mapping[str, Any] = {} if getattr(usage, _EXTRA, _UNKNOWN) else usage.__dict__
    n_in, n_out = known.get(keys.input), known.get(keys.output)
    inside, outside = known.get(keys.inside), known.get(keys.outside)
    if (
        type(n_in) is not int
        or not (n_out is None or type(n_out) is int)
        or known.get("total_tokens") != (n_in if n_out is None else n_in + n_out)
        or (inside is not None and getattr(inside, _EXTRA, _UNKNOWN))
        or (outside is not None and getattr(outside, _EXTRA, _UNKNOWN))
    ):
        reported = {"id": found.get(names.GEN_AI_RESPONSE_ID), "usage": as_json(usage)}
        found.update(described(reported, "openai"))
        return
    found[names.GEN_AI_USAGE_INPUT_TOKENS] = n_in
    if n_out is not None:
        found[names.GEN_AI_USAGE_OUTPUT_TOKENS] = n_out
    if inside is not None:
        for part, count in inside.__dict__.items():
            if count and part in _INPUT_PARTS:
                found[_INPUT_PARTS[part]] = count
            elif count and part == _LIFETIMES and getattr(count, _LONG, 0):
                found[names.USAGE_INCOMPLETE] = True
    if outside is not None:
        for part, count in outside.__dict__.items():
            if count and part in _OUTPUT_PARTS:
                found[_OUTPUT_PARTS[part]] = count
