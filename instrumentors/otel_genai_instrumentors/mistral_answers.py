"""Answers of Mistral's API, as its client has them or as JSON has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.method import LAST, PART, Attributes

__all__ = ["drops_details", "heard", "part", "read", "text"]

_AUDIO: Final = "prompt_audio_seconds"
_HEARD: Final = "transcription.done"
_TEXTS: Final = ("content", "delta", "text", "reasoning_content")


def drops_details(answer: Any) -> bool:
    """Whether the client's model of the usage keeps only what it knows, which leaves out what was cached."""
    usage: Any = getattr(answer, "usage", None)
    config: Any = getattr(usage, "model_config", None)
    return config is not None and config.get("extra") != "allow"


def read(answer: Any) -> Attributes:
    """The attributes of a whole answer."""
    return _described(answer, _usage(answer))


def heard(answer: Any) -> Attributes:
    """The attributes of a transcription, which is billed by the length of what was heard. Its tokens are not."""
    usage = _usage(answer)
    return _described(answer, {_AUDIO: usage[_AUDIO]} if usage.get(_AUDIO) else usage)


def _described(answer: Any, usage: Mapping[str, Any]) -> Attributes:
    outputs = _items(answer, "outputs")
    models = [getattr(each, "model", None) for each in (answer, *outputs)]
    known = next((model for model in models if isinstance(model, str)), None)
    found = described({"id": getattr(answer, "id", None), "model": known, "usage": usage})
    reasons = [getattr(each, "finish_reason", None) for each in _items(answer, "choices")]
    if any(reasons):
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = tuple(str(as_json(one)) for one in reasons)
    return found


def _usage(answer: Any) -> Mapping[str, Any]:
    """What the provider said; a default of the client's is no word of it."""
    usage: Any = getattr(answer, "usage", None) or getattr(answer, "usage_info", None)
    if usage is None:
        return {}
    said: Any = getattr(usage, "model_fields_set", None)
    values = cast("dict[str, Any]", as_json(usage))
    return values if said is None else {key: values.get(key) for key in said}


def part(learned: Attributes, event: Any) -> int:
    """Fold a part of a stream; the last one has the usage. Of a transcription it is the seconds.

    Args:
        learned: attributes, added to.
        event: what the client gives, or its data.
    """
    data = getattr(event, "data", event)
    data = getattr(data, "response", data)
    if getattr(data, "usage", None) is None:
        for name, field in (
            (names.GEN_AI_RESPONSE_MODEL, "model"),
            (names.GEN_AI_RESPONSE_ID, "id"),
        ):
            value = getattr(data, field, None)
            if name not in learned and isinstance(value, str):
                learned[name] = value
        return PART
    is_heard = getattr(data, "type", None) == _HEARD
    found = (heard if is_heard else read)(data)
    learned.update(found)
    if drops_details(data) and names.GEN_AI_RESPONSE_FINISH_REASONS in found:
        learned[names.USAGE_INCOMPLETE] = True
    return LAST


def text(event: Any) -> str | None:
    """The text that a part brings."""
    data = getattr(event, "data", event)
    deltas = [getattr(each, "delta", None) for each in _items(data, "choices")] or [data]
    return "".join(piece for delta in deltas for piece in _texts(delta)) or None


def _texts(delta: Any) -> Iterable[str]:
    for name in _TEXTS:
        value = getattr(delta, name, None)
        if isinstance(value, str):
            yield value
        elif value is not None:
            yield from (one for each in _listed(value) for one in _texts(each))
    for call in _items(delta, "tool_calls"):
        arguments = getattr(getattr(call, "function", None), "arguments", None)
        yield from (arguments,) if isinstance(arguments, str) else ()


def _items(holder: Any, name: str) -> list[Any]:
    return _listed(getattr(holder, name, None))


def _listed(value: object) -> list[Any]:
    return [*cast("Iterable[Any]", value)] if isinstance(value, list) else []
