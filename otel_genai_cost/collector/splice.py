"""A request goes on as the bytes it came in, but for the attributes of the spans that are changed.

`spliced` is the way of nearly all; `rewritten` does the same by protobuf's own library, for the few requests in a form
that no exporter writes, and for the tests, which hold the one against the other. Unknown fields stay in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from otel_genai_cost.collector.pairs import PairReader, attribute_field
from otel_genai_cost.collector.places import Place
from otel_genai_cost.collector.span_bytes import attributes_named
from otel_genai_cost.metering.origin import origin_of
from otel_genai_cost.otlp.protobuf_request import attributes_from, span_from
from otel_genai_cost.otlp.span import Group, WireSpan
from otel_genai_cost.transport.fields import Field, bytes_field

__all__ = ["Change", "rewritten", "spliced"]


class Change(NamedTuple):
    """What is done to a span: the names of attributes that it has and must not keep, and the ones that it gets."""

    without: frozenset[str]
    values: Mapping[str, str | float]


def spliced(message: bytes, changes: Iterable[tuple[Place, Change]], reader: PairReader) -> bytes:
    """The request with its spans changed.

    Args:
        message: The request.
        changes: By the spans' places, in the order in which those were found.
        reader: What read the spans.
    """
    blocks: list[tuple[Field, bytes]] = []
    real = ((place, change) for place, change in changes if change.values or change.without)
    for block, of_block in groupby(real, key=lambda one: one[0].block):
        parts: list[tuple[Field, bytes]] = []
        for part, of_part in groupby(of_block, key=lambda one: one[0].part):
            spans = [
                (place.span, _changed(message, place.span, change, reader))
                for place, change in of_part
            ]
            parts.append((part, _replaced(message, part.start, part.end, spans)))
        blocks.append((block, _replaced(message, block.start, block.end, parts)))
    return _replaced(message, 0, len(message), blocks) if blocks else message


def _changed(message: bytes, span: Field, change: Change, reader: PairReader) -> bytes:
    pieces: list[bytes] = []
    without, values = change
    _, _, at, end = span
    for field in attributes_named(message, span, without, reader) if without else ():
        pieces.append(message[at : field.at])
        at = field.end
    pieces.append(message[at:end])
    pieces += [attribute_field(name, value) for name, value in values.items()]
    return b"".join(pieces)


def _replaced(message: bytes, start: int, end: int, values: Iterable[tuple[Field, bytes]]) -> bytes:
    """What lies between two places, with other values in some of its fields."""
    pieces: list[bytes] = []
    for field, value in values:
        pieces += (message[start : field.at], bytes_field(field.tag, value))
        start = field.end
    pieces.append(message[start:end])
    return b"".join(pieces)


def rewritten(request: Any, decide: Callable[[Sequence[WireSpan]], Sequence[Change]]) -> bytes:
    """The request, as protobuf's own object, with its spans changed as `decide` says of all of them."""
    spans = list(_spans(request))
    for (span, _), change in zip(spans, decide([view for _, view in spans]), strict=True):
        _rewrite(span, change)
    written: bytes = request.SerializeToString()
    return written


def _spans(request: Any) -> Iterator[tuple[Any, WireSpan]]:
    for block in request.resource_spans:
        resource = attributes_from(block.resource.attributes)
        origin = origin_of(resource)
        for part in block.scope_spans:
            group = Group(resource, origin, part.scope.name, part.scope.version)
            for span in part.spans:
                yield span, span_from(span, group)


def _rewrite(span: Any, change: Change) -> None:
    for place in range(len(span.attributes) - 1, -1, -1):
        if span.attributes[place].key in change.without:
            del span.attributes[place]
    for name, value in change.values.items():
        pair = span.attributes.add(key=name)
        if isinstance(value, str):
            pair.value.string_value = value
        else:
            pair.value.double_value = value
