"""A span's bytes as the meter reads them, and what is taken from them and added."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from struct import Struct
from typing import Any, Final

from otel_genai_cost.collector.pairs import PairReader
from otel_genai_cost.collector.places import Place
from otel_genai_cost.otlp.head_sampling import threshold_of
from otel_genai_cost.otlp.protobuf_request import id_from, parsed_span, span_from
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.transport.fields import (
    BYTES,
    FIXED64,
    VARINT,
    Field,
    WireError,
    field_at,
    fields,
    varint_at,
)
from otel_genai_cost.usage.read import Attributes
from otel_genai_cost.wide_rows import wide_row

__all__ = ["attributes_named", "ids_at", "view_at"]

_TRACE_ID: Final = 1 << 3 | BYTES
_SPAN_ID: Final = 2 << 3 | BYTES
_TRACE_STATE: Final = 3 << 3 | BYTES
_PARENT_ID: Final = 4 << 3 | BYTES
_NAME: Final = 5 << 3 | BYTES
_START: Final = 7 << 3 | FIXED64
_END: Final = 8 << 3 | FIXED64
_ATTRIBUTE: Final = 9 << 3 | BYTES
_TIMES: Final = frozenset({_START, _END})
_STATUS: Final = 15 << 3 | BYTES
_STATUS_CODE: Final = 3 << 3 | VARINT
_ERROR: Final = 2

_PARENT_TAGS: Final = (bytes((_PARENT_ID,)), bytes((_PARENT_ID | 0x80,)))
_USUAL: Final = Struct(">HQQHQHQ")
_USUAL_HEADS: Final = (_TRACE_ID << 8 | 16, _SPAN_ID << 8 | 8, _PARENT_ID << 8 | 8)
"""Each id with its tag and length before it."""


def view_at(message: bytes, place: Place, reader: PairReader) -> WireSpan | None:
    """The span at a place as the meter reads it; None for one that protobuf cannot read either.

    Args:
        message: The request.
        place: Where the span is.
        reader: Reads its attributes.
    """
    try:
        return _view(message, place, reader)
    except (ValueError, IndexError):  # a span in a form that no exporter writes
        pass
    try:
        raw = message[place.span.start : place.span.end]
        return span_from(parsed_span(raw), place.group)
    except ValueError:
        return None


def _view(message: bytes, place: Place, reader: PairReader) -> WireSpan:
    attributes: dict[str, Any] = {}
    values: dict[int, bytes] = {}
    statuses: list[Field] = []
    kept, read = reader.kept, reader.read
    _, _, at, end = place.span
    ids = _usual_ids(message[at : min(at + _USUAL.size, end)])
    if ids is not None:
        at += _USUAL.size
    while at < end:
        tag = message[at]
        if tag == _ATTRIBUTE and message[at + 1] < 0x80:  # most of a span: no field is made of it
            at, start = at + 2 + message[at + 1], at + 2
            raw = message[start:at]
            name, value = kept.get(raw) or read(raw)
            attributes[name] = value
            continue
        if tag in _TIMES:
            at, start = at + 9, at + 1
            values[tag] = message[start:at]
            continue
        field = field_at(message, at, end)
        tag, _, start, at = field
        if tag == _ATTRIBUTE:
            name, value = read(message[start:at])
            attributes[name] = value
        elif tag in _SCALARS:
            values[tag] = message[start:at]
        elif tag == _STATUS:
            statuses.append(field)
    if at != end:
        raise WireError(f"the span at byte {place.span.at} ends in the middle of a field")
    return _made(message, place, ids or (0, 0, 0), values, attributes, statuses)


def _made(
    message: bytes,
    place: Place,
    ids: tuple[int, int, int],
    values: Mapping[int, bytes],
    attributes: Attributes,
    statuses: list[Field],
) -> WireSpan:
    """The span of what was found in it; ids that stand elsewhere than usual go before those that stood there."""
    trace_id, span_id, parent_id = ids
    if _TRACE_ID in values:
        trace_id = id_from(values[_TRACE_ID], 16)
    if _SPAN_ID in values:
        span_id = id_from(values[_SPAN_ID], 8)
    if _PARENT_ID in values:
        parent_id = id_from(values[_PARENT_ID], 8)
    resource, origin, scope_name, scope_version = place.group
    state = values.get(_TRACE_STATE)
    span: WireSpan = wide_row(
        WireSpan,
        (
            values.get(_NAME, b"").decode(),
            scope_name,
            scope_version,
            attributes,
            trace_id,
            span_id,
            (),
            int.from_bytes(values.get(_START, b""), "little"),
            int.from_bytes(values.get(_END, b""), "little"),
            _is_error(message, statuses) if statuses else False,
            True,
            origin,
            parent_id,
            resource,
            threshold_of(state.decode()) if state else None,
        ),
    )
    return span


_SCALARS: Final = frozenset({_TRACE_ID, _SPAN_ID, _TRACE_STATE, _PARENT_ID, _NAME, _START, _END})


def ids_at(message: bytes, span: Field) -> tuple[int, int, int]:
    """The ids of a span's trace, of itself and of its parent; 0 for what is none. Exporters write them first; what is
    behind its name is looked at only where another one may be there."""
    at = span.start
    found = _usual_ids(message[at : min(at + _USUAL.size, span.end)])
    if found is not None:
        return found
    ids = {_TRACE_ID: 0, _SPAN_ID: 0, _PARENT_ID: 0}
    for field in fields(message, at, span.end):
        if field.tag == _NAME and _are_all(ids, message, field.end, span.end):
            break
        if field.tag in ids:
            size = 16 if field.tag == _TRACE_ID else 8
            ids[field.tag] = id_from(message[field.start : field.end], size)
    trace_id, span_id, parent_id = ids.values()
    return trace_id, span_id, parent_id


def _are_all(ids: Mapping[int, int], message: bytes, start: int, end: int) -> bool:
    """Whether no id of a span is between two places: none is missing, but for a parent's, and nothing is there that may
    be its tag, in the form that everybody writes or in another."""
    if not (ids[_TRACE_ID] and ids[_SPAN_ID]):
        return False
    is_there = any(message.find(tag, start, end) >= 0 for tag in _PARENT_TAGS)
    return ids[_PARENT_ID] != 0 or not is_there


def _usual_ids(raw: bytes) -> tuple[int, int, int] | None:
    """The three ids of a span that begins with them, as most do; at a fifth of the price."""
    if len(raw) < _USUAL.size:
        return None
    trace, high, low, span, span_id, parent, parent_id = _USUAL.unpack(raw)
    if (trace, span, parent) != _USUAL_HEADS:
        return None
    return high << 64 | low, span_id, parent_id


def _is_error(message: bytes, statuses: list[Field]) -> bool:
    code = 0
    for status in statuses:
        for field in fields(message, status.start, status.end):
            if field.tag == _STATUS_CODE:
                code, _ = varint_at(message, field.start)
    return code == _ERROR


def attributes_named(
    message: bytes, span: Field, names: Collection[str], reader: PairReader
) -> Iterator[Field]:
    """The attributes of a span that have one of these names.

    Args:
        message: The request.
        span: Where the span is.
        names: Of the attributes.
        reader: Reads them.
    """
    for field in fields(message, span.start, span.end):
        if field.tag == _ATTRIBUTE:
            name, _ = reader.read(message[field.start : field.end])
            if name in names:
                yield field
