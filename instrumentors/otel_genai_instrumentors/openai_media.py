"""What OpenAI's images, speech, transcriptions and moderations say of what they used: tokens, or what is counted in
their place. The answers are the client's models, or namespaces read from the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.method import LAST, PART, Attributes
from otel_genai_instrumentors.stainless import body_of_post

__all__ = [
    "part_of_audio",
    "part_of_images",
    "read_audio",
    "read_images",
    "read_moderation",
    "spoken",
]

_IMAGES_DONE: Final = frozenset({"image_generation.completed", "image_edit.completed"})
_SPOKEN: Final = "speech.audio.done"
_HEARD: Final = "transcript.text.done"


def read_images(answer: Any) -> Attributes:
    """Tokens where the model is billed by them, else the images."""
    if (usage := _of(answer, "usage")) is None:
        images = _of(answer, "data")
        return {names.USAGE_IMAGES: len(images)} if images else {}
    found = _drawn(usage)
    if _of(answer, "svg_usage") is not None:  # of another model
        found[names.USAGE_INCOMPLETE] = True
    return found


def part_of_images(found: Attributes, event: Any) -> int:
    """An event of streamed images."""
    if _of(event, "type") not in _IMAGES_DONE:
        return PART
    found.update(read_images(event))
    return LAST


def _drawn(usage: Any) -> Attributes:
    """All that comes out is an image, unless it is said what is not."""
    found = _counted(usage)
    total = found.get(names.GEN_AI_USAGE_OUTPUT_TOKENS)
    if total and _of(usage, "output_tokens_details") is None:
        found[names.GEN_AI_USAGE_IMAGE_OUTPUT] = total
    return found


def spoken(kwargs: Mapping[str, Any]) -> Attributes:
    """The characters that are to be spoken."""
    text = body_of_post(kwargs).get("input")
    return {names.USAGE_CHARACTERS: len(text)} if isinstance(text, str) and text else {}


def read_audio(answer: Any) -> Attributes:
    """A transcription: tokens, or what was heard. A server that only says how long the recording is bills it in a way
    of its own."""
    if (usage := _of(answer, "usage")) is not None:
        return _counted(usage)
    found = _counted({"seconds": _of(answer, "duration")})
    return {**found, names.USAGE_INCOMPLETE: True} if found else {}


def part_of_audio(found: Attributes, event: Any) -> int:
    """An event of streamed speech, or of a streamed transcription."""
    kind, usage = _of(event, "type"), _of(event, "usage")
    if kind == _SPOKEN and usage is not None:
        found.update(_counted(usage))
        found[names.GEN_AI_USAGE_AUDIO_OUTPUT] = found.get(names.GEN_AI_USAGE_OUTPUT_TOKENS, 0)
        found.pop(names.USAGE_CHARACTERS, None)
    elif kind == _HEARD and usage is not None:
        found.update(_counted(usage))
    return LAST if kind in (_SPOKEN, _HEARD) else PART


def read_moderation(answer: Any) -> Attributes:
    """It is answered for nothing: a request, which has a price of 0."""
    return {
        names.GEN_AI_RESPONSE_ID: _of(answer, "id"),
        names.GEN_AI_RESPONSE_MODEL: _of(answer, "model"),
        names.USAGE_REQUESTS: 1,
    }


def _counted(usage: Any) -> Attributes:
    return described({"usage": as_json(usage)}, "openai")


def _of(holder: Any, key: str) -> Any:
    if isinstance(holder, dict):
        return cast("dict[str, Any]", holder).get(key)
    return getattr(holder, key, None)
