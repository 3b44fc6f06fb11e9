"""What messages carry their context in, read in one way: headers, metadata and attributes of every kind of queue.

A carrier is a mapping, or pairs of a name and a value. Libraries differ in how they write both: names in any case and
with the prefixes of CloudEvents, values as text, bytes or objects around them. Where a message has no headers at all,
its context stands under one reserved key of what it has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

__all__ = ["ENVELOPE_FIELDS", "RESERVED_KEY", "VERSION", "QueueArguments", "entries_in"]

ENVELOPE_FIELDS: Final = ("traceparent", "tracestate", "baggage")
"""What W3C's propagators write."""

RESERVED_KEY: Final = "_ogc"
"""Where the context stands in messages that have no headers: `{"v": 1, "traceparent": …, "baggage": …}`."""

VERSION: Final = 1

QueueArguments: TypeAlias = Literal["read", "send"]
"""Whether messages that have room in their job's arguments alone carry an envelope there. It is read in any case."""

_PREFIX: Final = re.compile(r"(?:ce[-_]|cloudevents[:_])(?=.)")
"""CloudEvents: `ce-` in HTTP, `ce_` in Kafka and NATS, `cloudEvents:` or `cloudEvents_` in AMQP."""

_TEXTS: Final = ("StringValue", "stringValue", "Value", "value", "BinaryValue")
"""Where SQS, SNS, Lambda's events and Service Bus have the text of an attribute."""

_RESERVED_MAX: Final = 32_768


def entries_in(carrier: object, fields: Collection[str] = ENVELOPE_FIELDS) -> dict[str, str]:
    """What a carrier says under the names that propagators ask for.

    Args:
        carrier: A mapping, pairs of a name and a value, an object with `get_attributes()` such as an event of the
            CloudEvents SDK, or None.
        fields: The names, in lower case.

    Returns:
        Text by name, in lower case. Of a name that is there more than once the first: a retry that appends to headers
        keeps what they began with. A name of its own goes before one with a prefix, and both before the reserved key.
    """
    own: dict[str, str] = {}
    prefixed: dict[str, str] = {}
    reserved: object = None
    for key, value in _pairs(carrier):
        name = (_text(key) or "").lower()
        if name in fields:
            _keep_first(own, name, value)
        elif name == RESERVED_KEY and reserved is None:
            reserved = value
        elif (bare := _PREFIX.sub("", name, count=1)) != name and bare in fields:
            _keep_first(prefixed, bare, value)
    return {**_reserved_entries(reserved, fields), **prefixed, **own}


def _keep_first(found: dict[str, str], name: str, value: object) -> None:
    text = _text(value)
    if text is not None:
        found.setdefault(name, text)


def _pairs(carrier: Any) -> Iterator[tuple[object, object]]:
    """The names and values of a carrier; none of what is no carrier."""
    if carrier is None or isinstance(carrier, (str, bytes, bytearray)):
        return
    if isinstance(carrier, Mapping):
        yield from cast("Mapping[object, object]", carrier).items()
    elif callable(attributes := getattr(carrier, "get_attributes", None)):
        yield from _pairs(attributes())
    elif callable(items := getattr(carrier, "items", None)):
        yield from _of_items(cast("Iterable[object]", items()))
    elif isinstance(carrier, Iterable):
        yield from _of_items(cast("Iterable[object]", carrier))


def _of_items(items: Iterable[object]) -> Iterator[tuple[object, object]]:
    """Pairs, or mappings of one name each, as Lambda gives the headers of Kafka."""
    for item in items:
        if isinstance(item, Mapping):
            yield from cast("Mapping[object, object]", item).items()
        elif isinstance(item, (tuple, list)) and len(cast("list[object]", item)) == 2:
            key, value = cast("tuple[object, object]", item)
            yield key, value


def _text(value: Any) -> str | None:
    """A value as text; None for what is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", value)).decode("utf-8", "replace")
    if isinstance(value, Mapping):
        held = cast("Mapping[str, object]", value)
        return next((text for key in _TEXTS if (text := _text(held.get(key)))), None)
    if isinstance(value, (list, tuple)) and value:
        return _text_of_many(cast("list[object]", value))
    return None


def _text_of_many(values: list[object]) -> str | None:
    """Of a name's several values the first; of numbers, the bytes that they are."""
    if all(isinstance(each, int) and 0 <= each < 256 for each in values):
        return bytes(cast("list[int]", values)).decode("utf-8", "replace")
    first = values[0]
    return _text(first) if isinstance(first, (str, bytes)) else None


def _reserved_entries(value: object, fields: Collection[str]) -> dict[str, str]:
    """What stands under the reserved key: an object, or JSON of one, of a version that is known."""
    if isinstance(value, (str, bytes)):
        if len(value) > _RESERVED_MAX:
            return {}
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    if not isinstance(value, Mapping):
        return {}
    held = cast("Mapping[str, object]", value)
    if held.get("v") != VERSION:
        return {}
    texts = ((name, held.get(name)) for name in fields)
    return {name: text for name, text in texts if isinstance(text, str)}
