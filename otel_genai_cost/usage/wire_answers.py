"""Answers in whatever wire format, read from their bytes: for clients that speak to many providers by one HTTP library.

Formats are told apart by their keys, as `usage.payload` does. What the events of a stream say is put together to what
the provider would have answered as a whole: the last word on each count, every reason to end, the text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from otel_genai_cost.usage.payload import payload_of
from otel_genai_cost.usage.values import Object, as_object, is_sequence, objects

__all__ = [
    "CHECKSUM_BYTES",
    "PRELUDE_BYTES",
    "Gathered",
    "WireAnswer",
    "answers_in",
    "event_of_frame",
    "parsed",
    "text_of_any",
    "texts_in",
]

_SAID: Final = (
    *("id", "response_id", "responseId", "model", "model_version", "modelVersion"),
    *("service_tier", "serviceTier", "output", "candidates"),
)
_INSIDE: Final = ("message", "response", "delta")
"""Where an event holds a part of the answer."""

_USAGE: Final = ("usage", "usage_metadata", "usageMetadata", "meta")
_USAGE_INSIDE: Final = (*_INSIDE, "metadata", "x_groq")
_CHOICES: Final = ("choices", "candidates")
_REASONS: Final = ("finish_reason", "stop_reason", "stopReason", "finishReason", "done_reason")
_ENDED: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""The status of a response of OpenAI's at its end."""

_TEXTS: Final = frozenset(
    {"text", "content", "delta", "thinking", "reasoning", "reasoning_content", "response"}
    | {"partial_json", "arguments", "input"}
)
_REPEATED: Final = "reasoning_details"
_DEPTH_MAX: Final = 8
_JSON_BEGINS: Final = (b"{", b"[")
PRELUDE_BYTES: Final = 12
CHECKSUM_BYTES: Final = 4
"""Of a frame of AWS's event stream."""


class WireAnswer(NamedTuple):
    """An answer put together: what it says of itself, why it ended, and its text, of a stream alone."""

    said: dict[str, Any]
    reasons: list[str]
    texts: list[str]
    is_ended: bool


def text_of_any(answer: WireAnswer) -> str:
    """What had come of a stream's text."""
    return "".join(answer.texts)


class Gathered:
    """An answer that is put together as it comes.

    Attributes:
        said: what it says of itself.
        reasons: why it ended.
        is_ended: whether it said that it had.
    """

    __slots__ = ("is_ended", "reasons", "said")

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}
        self.reasons: list[str] = []
        self.is_ended = False

    def take(self, event: Object) -> None:
        """Read an event, or an answer that is one object."""
        said = self.said
        for holder in (event, *_inside(event, _INSIDE)):
            said.update({key: holder[key] for key in _SAID if holder.get(key) is not None})
            self.reasons += _reasons(holder)
            self.is_ended = self.is_ended or holder.get("status") in _ENDED
        _merge_usage(said, event)


def answers_in(content: bytes) -> Iterator[WireAnswer]:
    """The one answer in these bytes.

    Args:
        content: a JSON object, a list of them, one a line, an event stream, or AWS's binary one.
    """
    found, is_whole = _objects_in(content)
    gathered, texts = Gathered(), list[str]()
    for event in found:
        gathered.take(event)
        if not is_whole:
            texts += texts_in(event)
    said, reasons = gathered.said, gathered.reasons
    yield WireAnswer(said, reasons, texts, is_whole or gathered.is_ended or bool(reasons))


def texts_in(event: Object) -> Iterator[str]:
    """What an event brings that a model wrote."""
    return _texts(event)


def _inside(holder: Object, keys: Iterable[str]) -> list[Object]:
    return [found for key in keys if (found := as_object(holder.get(key)))]


def _merge_usage(said: dict[str, Any], event: Object) -> None:
    """Take the counts of an event, which may be some of them, or stand in the event itself, as Ollama's do."""
    is_found = False
    for holder in (event, *_inside(event, _USAGE_INSIDE), *_choices(event)):
        for key in _USAGE:
            if usage := as_object(holder.get(key)):
                is_found = True
                counts = {name: value for name, value in usage.items() if value is not None}
                said[key] = {**said.get(key, {}), **counts}
    if not is_found:
        numbers = {key: value for key, value in event.items() if type(value) is int}
        if payload_of(numbers).counts.input_total is not None:
            said["usage"] = {**said.get("usage", {}), **numbers}


def _choices(holder: Object) -> list[Object]:
    return [each for key in _CHOICES for each in objects(holder.get(key))]


def _reasons(holder: Object) -> Iterator[str]:
    """Why an answer, or each of its choices, ended."""
    for each in (holder, *_choices(holder)):
        for key in _REASONS:
            reason = each.get(key)
            if isinstance(reason, str) and reason:
                yield reason


def _texts(value: object, key: str = "", depth: int = 0) -> Iterator[str]:
    """What an event brings that a model wrote. OpenAI's events of a response repeat it when a part is done."""
    if isinstance(value, str):
        if key in _TEXTS:
            yield value
        return
    if depth >= _DEPTH_MAX:
        return
    if is_sequence(value):
        for each in value:
            yield from _texts(each, key, depth + 1)
        return
    fields = as_object(value)
    kind = fields.get("type")
    if isinstance(kind, str) and kind.startswith("response.") and not kind.endswith(".delta"):
        return
    for name, inner in fields.items():
        if name != _REPEATED:
            yield from _texts(inner, name, depth + 1)


def _objects_in(content: bytes) -> tuple[Iterable[Object], bool]:
    """The JSON objects of a body, and whether it is a single one."""
    if content[:1] == b"\0":
        return _of_frames(content), False
    if content.lstrip()[:1] in _JSON_BEGINS:
        whole = parsed(content)
        if found := as_object(whole):
            return (found,), True
        if is_sequence(whole):
            return objects(whole), False
    return _of_lines(content), False


def _of_lines(content: bytes) -> Iterator[Object]:
    for line in content.splitlines():
        yield as_object(parsed(line.removeprefix(b"data:")))


def _of_frames(content: bytes) -> Iterator[Object]:
    """The payloads of AWS's event stream: each frame begins with its length and that of its headers."""
    place = 0
    while place + PRELUDE_BYTES <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        if size < PRELUDE_BYTES + CHECKSUM_BYTES:
            return
        yield event_of_frame(content[place : place + size])
        place += size


def event_of_frame(frame: bytes) -> Object:
    """What a frame of AWS's event stream says. A model's own event is wrapped once more.

    Args:
        frame: from its prelude to its checksum.
    """
    start = PRELUDE_BYTES + int.from_bytes(frame[4:8], "big")
    event = as_object(parsed(frame[start:-CHECKSUM_BYTES]))
    wrapped = event.get("bytes")
    if not isinstance(wrapped, str):
        return event
    try:
        return as_object(parsed(base64.b64decode(wrapped)))
    except ValueError:
        return event


def parsed(content: bytes) -> object:
    """The JSON in it; None for anything else."""
    try:
        found: object = json.loads(content) if content.lstrip()[:1] in _JSON_BEGINS else None
    except (ValueError, RecursionError):
        return None
    return found
