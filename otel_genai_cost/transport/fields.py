"""Protobuf's wire format: messages are walked and mended as bytes, and what is not looked at stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = [
    "BYTES",
    "FIXED32",
    "FIXED64",
    "VARINT",
    "Field",
    "WireError",
    "bytes_field",
    "field_at",
    "fields",
    "varint",
    "varint_at",
]

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
"""The kinds of fields: the lowest three bits of a tag."""

_GROUP: Final = 3
_GROUP_END: Final = 4
_DEPTH_MAX: Final = 100
_VARINT_BYTES_MAX: Final = 10
_SMALL: Final = tuple(bytes((number,)) for number in range(0x80))
"""Numbers of one byte, as nearly all tags and lengths are."""


class WireError(ValueError):
    """Bytes that are no message, or one in a form that nobody writes."""


class Field(NamedTuple):
    """A field: its tag (number and kind), where it begins, and where its value begins and ends."""

    tag: int
    at: int
    start: int
    end: int


def varint(number: int) -> bytes:
    """A number of 0 or more, as it is written."""
    if number < 0x80:
        return _SMALL[number]
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def bytes_field(tag: int, value: bytes) -> bytes:
    """A field whose value is bytes, text or a message.

    Args:
        tag: Its number and kind.
        value: What it holds.
    """
    if tag < 0x80 and len(value) < 0x80:
        return _SMALL[tag] + _SMALL[len(value)] + value
    return varint(tag) + varint(len(value)) + value


def varint_at(message: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends.

    Args:
        message: The bytes.
        at: Where the number begins.

    Raises:
        WireError: if it has no end, or more bytes than 64 bits take.
        IndexError: where the message ends in the middle of it.
    """
    number = message[at]
    if number < 0x80:
        return number, at + 1
    second = message[at + 1]
    number &= 0x7F
    if second < 0x80:  # the length of most spans
        return number | second << 7, at + 2
    for place in range(1, _VARINT_BYTES_MAX):
        byte = message[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    raise WireError(f"a number at byte {at} has no end")


def fields(message: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields of the message that lies between two places of these bytes.

    Args:
        message: The bytes.
        start: Where the message begins in them.
        end: Where it ends.

    Raises:
        WireError: for what is no field, once it is reached.
    """
    at = start
    while at < end:
        field = field_at(message, at, end)
        yield field
        at = field.end


def field_at(message: bytes, at: int, end: int) -> Field:
    """The field that begins at a place.

    Args:
        message: The bytes.
        at: The place.
        end: Where the message ends that the field is in.

    Raises:
        WireError: if there is none.
    """
    try:
        tag = message[at]
        tag, start = (tag, at + 1) if tag < 0x80 else varint_at(message, at)
        kind = tag & 7
        if kind == BYTES:
            size = message[start]
            size, start = (size, start + 1) if size < 0x80 else varint_at(message, start)
            after = start + size
        elif kind == VARINT:
            _, after = varint_at(message, start)
        elif kind in _FIXED:
            after = start + _FIXED[kind]
        elif kind == _GROUP:
            after = _group_end(message, start, tag >> 3, end)
        else:
            raise WireError(f"a field of the unknown kind {kind} at byte {at}")
    except IndexError:
        raise WireError(f"the message ends in the field at byte {at}") from None
    if after > end:
        raise WireError(f"the field at byte {at} ends behind its message")
    return Field(tag, at, start, after)


def _group_end(message: bytes, at: int, number: int, end: int) -> int:
    """Where a group ends: fields between two tags, which nobody has written for long and every reader still skips."""
    opened = [number]
    while opened:
        tag, start = varint_at(message, at)
        if tag & 7 == _GROUP:
            if len(opened) == _DEPTH_MAX:
                raise WireError(f"groups in groups at byte {at}")
            opened.append(tag >> 3)
            at = start
        elif tag & 7 == _GROUP_END and opened.pop() == tag >> 3:
            at = start
        else:
            at = field_at(message, at, end).end
    return at


_FIXED: Final = {FIXED64: 8, FIXED32: 4}
"""How many bytes a value of these kinds takes."""
