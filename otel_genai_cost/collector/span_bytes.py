"""A span's bytes as the meter reads them, and what is taken from them and added."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from struct import Struct
from typing import Any, Final, TypeAlias

from otel_genai_cost.collector.pairs import PairReader
from otel_genai_cost.collector.places import Place
from otel_genai_cost.collector.span_ids import usual_ids
from otel_genai_cost.collector.tags import (
    ATTRIBUTE,
    END,
    KIND,
    NAME,
    PARENT_ID,
    SPAN_ID,
    START,
    STATUS,
    STATUS_CODE,
    TRACE_ID,
    TRACE_STATE,
)
from otel_genai_cost.otlp.head_sampling import threshold_of
from otel_genai_cost.otlp.protobuf_request import id_from, parsed_span, span_from
from otel_genai_cost.otlp.span import Group, WireSpan
from otel_genai_cost.transport.fields import Field, WireError, field_at, fields, varint_at
from otel_genai_cost.usage.read import Attributes
from otel_genai_cost.wide_rows import wide_row

__all__ = ["attributes_named", "end_at", "view_at"]

_ERROR: Final = 2
_SCALARS: Final = frozenset({TRACE_ID, SPAN_ID, TRACE_STATE, PARENT_ID, NAME, START, END})

_TIMES: Final = Struct("<BBBQBQ")
_TIMES_TAGS: Final = (KIND, START, END)
"""A span's kind and times, each behind its tag, read at once."""

_END_TAGS: Final = (bytes((END,)), bytes((END | 0x80,)))
_times_at = _TIMES.unpack_from

_Head: TypeAlias = "tuple[int, int, int, bytes, int, int]"
"""Ids of a span's trace, of itself and of its parent; its name; when it started and ended, in unix nanoseconds."""


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


def end_at(message: bytes, place: Place, reader: PairReader) -> int:
    """When the span at a place ended, in unix nanoseconds, as `view_at` has it; 0 for one that cannot be read.

    Args:
        message: The request.
        place: Where the span is.
        reader: Reads its attributes.
    """
    _, _, at, end = place.span
    head, at = _usual_head(message, at, end)
    while at + 1 < end and message[at] == ATTRIBUTE and (size := message[at + 1]) < 0x80:
        at += 2 + size
    if all(message.find(tag, at, end) < 0 for tag in _END_TAGS):
        return head[-1]
    view = view_at(message, place, reader)
    return 0 if view is None else view.end_ns


def _view(message: bytes, place: Place, reader: PairReader) -> WireSpan:
    attributes: dict[str, Any] = {}
    values: dict[int, bytes] = {}
    statuses: list[Field] = []
    _, _, at, end = place.span
    head, at = _usual_head(message, at, end)
    while at < end:
        at = _read_attributes(message, at, end, reader, attributes)
        if at >= end:
            break
        field = field_at(message, at, end)
        tag, _, start, at = field
        if tag == ATTRIBUTE:
            name, value = reader.read(message[start:at])
            attributes[name] = value
        elif tag in _SCALARS:
            values[tag] = message[start:at]
        elif tag == STATUS:
            statuses.append(field)
    if at != end:
        raise WireError(f"the span at byte {place.span.at} ends in the middle of a field")
    if values:
        head = _with_values(head, values)
    state, is_error = values.get(TRACE_STATE), bool(statuses) and _is_error(message, statuses)
    return _made(head, attributes, place.group, state, is_error=is_error)


def _usual_head(message: bytes, at: int, end: int) -> tuple[_Head, int]:
    """What a span begins with, as far as it does so as nearly all do: ids, name, kind and times; and where the rest
    begins."""
    ids, at = usual_ids(message, at, end)
    if at + 2 > end or message[at] != NAME:
        return (*ids, b"", 0, 0), at
    size, start = message[at + 1], at + 2
    after = start + size
    if size < 0x80 and after + _TIMES.size <= end:
        kind, number, begun, start_ns, ended, end_ns = _times_at(message, after)
        if (kind, begun, ended) == _TIMES_TAGS and number < 0x80:
            return (*ids, message[start:after], start_ns, end_ns), after + _TIMES.size
    return (*ids, b"", 0, 0), at


def _read_attributes(
    message: bytes, at: int, end: int, reader: PairReader, attributes: dict[str, Any]
) -> int:
    """Read the attributes that follow each other, as far as they are short: most of a span, and no field is made of
    it. Where they end."""
    kept, read = reader.kept, reader.read
    while at < end and message[at] == ATTRIBUTE and (size := message[at + 1]) < 0x80:
        start = at + 2
        at = start + size
        raw = message[start:at]
        name, value = kept.get(raw) or read(raw)
        attributes[name] = value
    return at


def _with_values(head: _Head, values: Mapping[int, bytes]) -> _Head:
    """A span's head with what stands elsewhere than usual, which goes before what stood there."""
    trace_id, span_id, parent_id, name, start_ns, end_ns = head
    if TRACE_ID in values:
        trace_id = id_from(values[TRACE_ID], 16)
    if SPAN_ID in values:
        span_id = id_from(values[SPAN_ID], 8)
    if PARENT_ID in values:
        parent_id = id_from(values[PARENT_ID], 8)
    if NAME in values:
        name = values[NAME]
    if START in values:
        start_ns = int.from_bytes(values[START], "little")
    if END in values:
        end_ns = int.from_bytes(values[END], "little")
    return trace_id, span_id, parent_id, name, start_ns, end_ns


def _made(
    head: _Head, attributes: Attributes, group: Group, state: bytes | None, *, is_error: bool
) -> WireSpan:
    trace_id, span_id, parent_id, name, start_ns, end_ns = head
    resource, origin, scope_name, scope_version = group
    span: WireSpan = wide_row(
        WireSpan,
        (
            name.decode(),
            scope_name,
            scope_version,
            attributes,
            trace_id,
            span_id,
            (),
            start_ns,
            end_ns,
            is_error,
            True,
            origin,
            parent_id,
            resource,
            threshold_of(state.decode()) if state else None,
        ),
    )
    return span


def _is_error(message: bytes, statuses: list[Field]) -> bool:
    code = 0
    for status in statuses:
        for field in fields(message, status.start, status.end):
            if field.tag == STATUS_CODE:
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
        if field.tag == ATTRIBUTE:
            name, _ = reader.read(message[field.start : field.end])
            if name in names:
                yield field
