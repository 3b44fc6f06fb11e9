"""What a span in a request is known by: the ids of its trace, of itself and of its parent. They are written first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Final

from otel_genai_cost.collector.tags import NAME, PARENT_ID, SCOPE, SPAN, SPAN_ID, TRACE_ID
from otel_genai_cost.otlp.ancestry import span_key
from otel_genai_cost.otlp.protobuf_request import id_from
from otel_genai_cost.transport.fields import Field, WireError, field_at, fields

__all__ = ["ids_at", "parents_in", "usual_ids"]

_PARENT_TAGS: Final = (bytes((PARENT_ID,)), bytes((PARENT_ID | 0x80,)))
_OWN_HEADS: Final = (TRACE_ID << 8 | 16, SPAN_ID << 8 | 8)
_HEADS: Final = (*_OWN_HEADS, PARENT_ID << 8 | 8)
_LINK_HEADS: Final = (SPAN, *_HEADS)
"""Each id's tag with its length."""

_IDS: Final = Struct(">HQQHQHQ")
_OWN_IDS: Final = Struct(">HQQHQ")
_LINK: Final = Struct(">BBBHQQHQHQ")
"""The ids behind their heads; before them, in a link, the tag and the length of the span."""

_ids_at, _link_at = _IDS.unpack_from, _LINK.unpack_from
_NO_IDS: Final = (0, 0, 0)
_NO_LINK: Final = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def usual_ids(message: bytes, at: int, end: int) -> tuple[tuple[int, int, int], int]:
    """The ids that a span begins with, as nearly all do, at a fifth of the price. Another one behind them, which nobody
    writes, would have to be looked for in every span, and is not.

    Args:
        message: The request.
        at: Where the span begins.
        end: Where it ends.

    Returns:
        The ids of its trace, of itself and of its parent, 0 for one that does not stand there; and where they end.
    """
    if at + _IDS.size > end:
        return _NO_IDS, at
    trace, high, low, span, span_id, parent, parent_id = _ids_at(message, at)
    if (trace, span, parent) == _HEADS:
        return (high << 64 | low, span_id, parent_id), at + _IDS.size
    if (trace, span) == _OWN_HEADS:
        return (high << 64 | low, span_id, 0), at + _OWN_IDS.size
    return _NO_IDS, at


def ids_at(message: bytes, span: Field) -> tuple[int, int, int]:
    """The ids of a span's trace, of itself and of its parent; 0 for what is none. What is behind its name is looked at
    only where another one may be there."""
    found, _ = usual_ids(message, span.start, span.end)
    if found[2]:
        return found
    ids = {TRACE_ID: 0, SPAN_ID: 0, PARENT_ID: 0}
    for field in fields(message, span.start, span.end):
        if field.tag == NAME and _are_all(ids, message, field.end, span.end):
            break
        if field.tag in ids:
            size = 16 if field.tag == TRACE_ID else 8
            ids[field.tag] = id_from(message[field.start : field.end], size)
    trace_id, span_id, parent_id = ids.values()
    return trace_id, span_id, parent_id


def _are_all(ids: Mapping[int, int], message: bytes, start: int, end: int) -> bool:
    """Whether no id of a span is between two places: none is missing, but for a parent's, and nothing is there that may
    be its tag, in the form that everybody writes or in another."""
    if not (ids[TRACE_ID] and ids[SPAN_ID]):
        return False
    is_there = any(message.find(tag, start, end) >= 0 for tag in _PARENT_TAGS)
    return ids[PARENT_ID] != 0 or not is_there


def parents_in(message: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """The spans between two places, by what they are known by (`ancestry.span_key`), each with the id of its parent.

    Args:
        message: The request.
        at: Where the spans of a scope begin.
        end: Where they end.

    Raises:
        WireError: for a scope in a form that no exporter writes, once that is reached.
    """
    while at < end:
        link = _link_at(message, at) if at + _LINK.size <= end else _NO_LINK
        tag, low, high, trace, first, rest, span, span_id, parent, parent_id = link
        size = low & 0x7F | high << 7
        is_usual = (tag, trace, span, parent) == _LINK_HEADS and low >= 0x80 > high
        if is_usual and size >= _IDS.size:
            yield first << 128 | rest << 64 | span_id, parent_id
            at += 3 + size
            continue
        field = field_at(message, at, end)
        if field.tag == SPAN:
            trace_id, own_id, above_id = ids_at(message, field)
            yield span_key(trace_id, own_id), above_id
        elif field.tag == SCOPE:
            raise WireError(f"a scope behind its spans at byte {field.at}")
        at = field.end
    if at > end:
        raise WireError(f"a span ends behind its scope at byte {end}")
