"""What answers in Anthropic's wire format say, whole or in parts, whoever serves them.

They are the client's models, namespaces read from the bytes, or dictionaries. The first event of a stream has the
input, the cache and a placeholder where the output belongs; the later ones have sums so far, which replace what came
before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import counted, inner, stated, text_in
from otel_genai_instrumentors.method import LAST, PART, Attributes

__all__ = ["brings_text", "part_of_message", "read_message", "text_of_part"]

_COMPACTION: Final = "compaction"
_ITERATIONS: Final = "iterations"
_WRITES: Final = "cache_creation"
_TOTALS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_TEXTS: Final = ("text", "partial_json", "thinking")
"""What a delta of a content block brings, by its kind."""

_HEAD: Final = ((names.GEN_AI_RESPONSE_ID, "id"), (names.GEN_AI_RESPONSE_MODEL, "model"))
_LIFETIMES: Final = {
    "ephemeral_5m_input_tokens": names.USAGE_CACHE_WRITE_5M,
    "ephemeral_1h_input_tokens": names.USAGE_CACHE_WRITE_1H,
}


def read_message(message: Any) -> Attributes:
    """A message, or a legacy completion, which has no usage."""
    return _found(message, _compacted(_usage_of(message)))


def part_of_message(found: Attributes, event: Any) -> int:
    """An event of a streamed message or legacy completion, folded into `found`.

    Args:
        found: the attributes of what came before, changed in place.
        event: as the client or the bytes give it.

    Returns:
        PART, or LAST for the one that ends the stream.
    """
    kind = inner(event, "type")
    if kind == "content_block_delta":
        return PART
    if kind == "message_start":
        message = inner(event, "message")
        found.update(_found(message, _without_placeholder(_usage_of(message))))
    elif kind == "message_delta":
        _grow(found, event)
    elif kind == "completion":
        found.update(_found(event, {}))
        return LAST if inner(event, "stop_reason") else PART
    return LAST if kind == "message_stop" else PART


def brings_text(event: Any) -> bool:
    """Whether an event of the client's brings a text and nothing else."""
    return getattr(event, "type", None) == "content_block_delta"


def text_of_part(event: Any) -> str | None:
    """The text that an event brings: of an answer, a thought, or the input of a tool."""
    kind = inner(event, "type")
    if kind == "completion":
        return text_in(inner(event, "completion"))
    if kind != "content_block_delta":
        return None
    delta = inner(event, "delta")
    return next((text for key in _TEXTS if (text := text_in(inner(delta, key)))), None)


def _found(answer: Any, usage: Mapping[str, Any]) -> Attributes:
    found = counted(usage)
    for name, key in _HEAD:
        if value := text_in(inner(answer, key)):
            found[name] = value
    return _stopped(found, answer)


def _stopped(found: Attributes, holder: Any) -> Attributes:
    """With the reason why it stopped, where it says one."""
    if reason := text_in(inner(holder, "stop_reason")):
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = [reason]
    return found


def _usage_of(holder: Any) -> dict[str, Any]:
    """A usage object as far as it says something."""
    return stated(inner(holder, "usage"))


def _compacted(usage: dict[str, Any]) -> dict[str, Any]:
    """With what compactions used, which a usage object leaves out of its totals and is billed with them."""
    entries = cast("list[Any]", usage.get(_ITERATIONS))
    if not entries:
        return usage
    known = [cast("dict[str, Any]", each) for each in entries if isinstance(each, dict)]
    found = [each for each in known if each.get("type") == _COMPACTION]
    if not found:
        return usage
    inside: dict[str, Any] = usage.get(_WRITES) or {}
    more: list[dict[str, Any]] = [each.get(_WRITES) or {} for each in found]
    return {
        **usage,
        **{key: _sum(usage, found, key) for key in _TOTALS},
        _WRITES: {key: _sum(inside, more, key) for key in inside},
        _ITERATIONS: [each for each in known if each not in found],
    }


def _sum(first: Mapping[str, Any], others: list[dict[str, Any]], key: str) -> int:
    counts = (each.get(key) for each in (first, *others))
    return sum(count for count in counts if type(count) is int)


def _without_placeholder(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {key: usage[key] for key in usage if not key.startswith("output_tokens")}


def _grow(found: Attributes, event: Any) -> None:
    """Replace the counts by those of an event, which are sums so far; what it leaves out stays as it was."""
    later = _usage_of(event)
    if _ITERATIONS in later and "input_tokens" not in later:
        del later[_ITERATIONS]  # beside which sums they stand is not known
        found[names.USAGE_INCOMPLETE] = True
    usage = _compacted({**_so_far(found), **later})
    for name in _LIFETIMES.values():
        found.pop(name, None)
    if "output_tokens" in later:  # without a first event, nothing else of it can be read
        found[names.GEN_AI_USAGE_OUTPUT_TOKENS] = later["output_tokens"]
    found.update(counted(usage))
    _stopped(found, inner(event, "delta"))


def _so_far(found: Attributes) -> dict[str, Any]:
    """The usage object that the counts were read from, which has the input without the cache."""
    total = found.get(names.GEN_AI_USAGE_INPUT_TOKENS)
    if total is None:
        return {}
    read = found.get(names.GEN_AI_USAGE_CACHE_READ, 0)
    write = found.get(names.GEN_AI_USAGE_CACHE_WRITE, 0)
    return {
        "input_tokens": total - read - write,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": write,
        "cache_creation": {key: found.get(name, 0) for key, name in _LIFETIMES.items()},
    }
