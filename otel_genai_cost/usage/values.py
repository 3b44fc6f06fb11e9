"""Foreign values, made safe: nothing here raises, and nothing large is kept or walked."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeGuard, cast

from otel_genai_cost.usage.read import NOTHING, Attributes

__all__ = [
    "JSON_LIMIT",
    "Object",
    "as_object",
    "bounded_text",
    "condition_of",
    "is_sequence",
    "json_object",
    "json_text",
    "named",
    "objects",
    "python_object",
    "raw_of",
    "response_id",
    "whole",
    "word",
    "wrapped_provider",
]

Object: TypeAlias = Mapping[str, Any]
"""A JSON object out of a foreign text."""

JSON_LIMIT: Final = 262_144
"""Characters of a JSON text that is worth parsing: a response with its content, not a book."""

_REPR_LIMIT: Final = 16_384
_REPR_WORD: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\b(?:None|True|False)\b")
_JSON_WORDS: Final = {"None": "null", "True": "true", "False": "false"}
_TEXT_LIMIT: Final = 256
_WRAPPED_ID: Final = "resp_bGl0ZWxsbT"  # `litellm:` in base64
_RAW_ATTRIBUTES_MAX: Final = 16
_RAW_TEXT_LIMIT: Final = 160
"""With RAW_ATTRIBUTES_MAX names of at most as much, a record's `raw` stays below 4 KiB."""

_INT_LIMIT: Final = 10**40


def word(value: object) -> str | None:
    """A name of bounded length; anything that is not text is not a name. An enum's member is the text that an exporter
    would send."""
    if type(value) is str and 0 < len(value) <= _TEXT_LIMIT:  # nearly always
        return value
    if not isinstance(value, str):
        return None
    text = value if type(value) is str else str.__str__(value)
    if not text:
        return None
    return text if len(text) <= _TEXT_LIMIT else text[:_TEXT_LIMIT]


@lru_cache(maxsize=64)
def condition_of(tier: str) -> Mapping[str, Any]:
    """The condition of a price that a service tier is; `batch` is one of its own."""
    return MappingProxyType({"batch": True} if tier == "batch" else {"service_tier": tier})


def response_id(value: object) -> str | None:
    """A provider's id of a response; LiteLLM wraps those of OpenAI's Responses API into one of its own."""
    text = word(value)
    if text is None:
        return None
    return _unwrapped(text).rpartition("response_id:")[2] or text


def wrapped_provider(value: object) -> str | None:
    """The provider that LiteLLM writes into an id that it wraps."""
    _, marker, rest = _unwrapped(word(value) or "").partition("custom_llm_provider:")
    return rest.partition(";")[0] or None if marker else None


def _unwrapped(text: str) -> str:
    """What stands in an id of LiteLLM's own; any other id is itself."""
    if not text.startswith(_WRAPPED_ID):
        return text
    inner = text.removeprefix("resp_")
    try:
        return b64decode(inner + "=" * (-len(inner) % 4)).decode()
    except ValueError:
        return text


def whole(value: object) -> object:
    """A count that an emitter wrote as 12.0; anything else as it is, to be refused later."""
    if isinstance(value, str) or not hasattr(value, "is_integer"):
        return value
    count: Any = value
    return int(count) if count.is_integer() else value


def bounded_text(value: object) -> str:
    """A foreign value for a person to look at; one that would take long to print is named by its type."""
    if type(value) is str:
        return value[:_RAW_TEXT_LIMIT]
    if type(value) is int and abs(value) >= _INT_LIMIT:
        return f"int of {value.bit_length()} bits"
    return f"a {type(value).__name__}" if hasattr(value, "__len__") else str(value)


def raw_of(attributes: Attributes, prefixes: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The attributes below `prefixes` as they were, for whoever looks into them later; at most 4 KiB."""
    found = [key for key in attributes if key.startswith(prefixes)][:_RAW_ATTRIBUTES_MAX]
    return {key[:_RAW_TEXT_LIMIT]: bounded_text(attributes[key]) for key in found} or None


def json_object(value: object) -> Mapping[str, Any]:
    """The object in a JSON text of at most JSON_LIMIT characters; nothing if there is none."""
    if type(value) is not str or not 1 < len(value) <= JSON_LIMIT or value[0] not in "{ ":
        return NOTHING
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return NOTHING
    return as_object(found)


def python_object(value: object) -> Mapping[str, Any]:
    """The dict in the `repr` of one, as some emitters write it instead of JSON."""
    if type(value) is not str or len(value) > _REPR_LIMIT or not value.startswith("{"):
        return NOTHING
    return json_object(_REPR_WORD.sub(_as_json, value))


def _as_json(found: re.Match[str]) -> str:
    return _JSON_WORDS.get(found[0]) or json.dumps(found[1])


def json_text(value: object) -> str | None:
    """The word in a JSON string; a word without quotes is one itself."""
    text = word(value)
    if text is None or text[0] != '"':
        return text
    try:
        return word(json.loads(text))
    except ValueError:
        return None


def objects(values: object) -> Sequence[Object]:
    """The objects of a list out of a JSON text."""
    if not isinstance(values, (list, tuple)):
        return ()
    return [as_object(each) for each in cast("list[object]", values)]


def named(word: str, *parts: str) -> bool:
    """Whether a name has one of these in it."""
    return any([part in word for part in parts])


def as_object(value: object) -> Object:
    """An object out of a JSON text; an empty one for anything else."""
    found: Any = value  # `cast` is a call, and a client's answer has five of these
    return found if isinstance(value, dict) else NOTHING


def is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    """Whether it is an array, of JSON or of OpenTelemetry."""
    return isinstance(value, (list, tuple))
