"""Where a request's spans are that may be worth reading, found without decoding any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from otel_genai_cost.collector.tags import (
    RESOURCE,
    RESOURCE_SPANS,
    SCOPE,
    SCOPE_NAME,
    SCOPE_SPANS,
    SCOPE_VERSION,
    SPAN,
)
from otel_genai_cost.metering.origin import origin_of
from otel_genai_cost.otlp.protobuf_request import resource_from
from otel_genai_cost.otlp.span import Group
from otel_genai_cost.transport.fields import Field, WireError, field_at, fields
from otel_genai_cost.usage.read import Attributes, Origin
from otel_genai_cost.usage.scopes import dialect_of
from otel_genai_cost.wide_rows import wide_row

__all__ = ["Place", "Places"]

_RESOURCES_MAX: Final = 256
_RESOURCE_KEPT_BYTES_MAX: Final = 16_384
_SCOPE_LIMIT: Final = 256
"""As far as a scope's name and version say whose it is; what is kept by them is no longer either."""


class Place(NamedTuple):
    """A span in a request: the fields that it lies in, itself, and what it has in common with its neighbours."""

    block: Field
    part: Field
    span: Field
    group: Group


class Places:
    """Finds spans by the scope that they are of, or by bytes in them. Keeps what resources said, since a process sends
    the same one with every request. Safe for threads."""

    def __init__(self) -> None:
        self._resources: dict[bytes, tuple[Attributes, Origin]] = {}

    def of(self, message: bytes, needles: Sequence[bytes]) -> Iterator[Place]:
        """The spans of recognised instrumentations, and those with one of the needles in them, in their order.

        Args:
            message: An export request.
            needles: What is looked for.

        Raises:
            WireError: for a request in a form that no exporter writes.
        """
        cursors = [_Cursor(needle, message) for needle in needles]
        for block in fields(message, 0, len(message)):
            if block.tag == RESOURCE_SPANS:
                yield from self._in_block(message, block, cursors)

    def scopes(self, message: bytes) -> Iterator[tuple[int, int]]:
        """Where the spans of each scope begin, and where they end."""
        for block in fields(message, 0, len(message)):
            if block.tag == RESOURCE_SPANS:
                for part in fields(message, block.start, block.end):
                    if part.tag == SCOPE_SPANS:
                        yield _scope(message, part)[2], part.end

    def _in_block(
        self, message: bytes, block: Field, cursors: Sequence[_Cursor]
    ) -> Iterator[Place]:
        inside = list(fields(message, block.start, block.end))
        named = [field for field in inside if field.tag == RESOURCE]
        if len(named) > 1:
            raise WireError(f"several resources in the block at byte {block.at}")
        raw = message[named[0].start : named[0].end] if named else b""
        resource, origin = self._resources.get(raw) or self._resource(raw)
        for part in inside:
            if part.tag == SCOPE_SPANS:
                name, version, at = _scope(message, part)
                group = Group(resource, origin, name, version)
                is_recognised = dialect_of(name[:_SCOPE_LIMIT], version[:_SCOPE_LIMIT]).recognised
                if is_recognised or _any_in(part, cursors):
                    sought = None if is_recognised else cursors
                    for span in _spans(message, at, part.end, sought):
                        yield Place(block, part, span, group)

    def _resource(self, raw: bytes) -> tuple[Attributes, Origin]:
        try:
            resource = resource_from(raw)
        except ValueError as error:
            raise WireError(f"a resource cannot be read: {error}") from None
        found = resource, origin_of(resource)
        if len(raw) <= _RESOURCE_KEPT_BYTES_MAX:
            if len(self._resources) >= _RESOURCES_MAX:
                self._resources.clear()
            self._resources[raw] = found
        return found


class _Cursor:
    """Where a needle comes next in a message."""

    __slots__ = ("_message", "_needle", "at")

    def __init__(self, needle: bytes, message: bytes) -> None:
        self._needle, self._message = needle, message
        self.at = self._find(0)

    def is_before(self, start: int, end: int) -> bool:
        """Whether it comes between two places; asked in their order."""
        if self.at < start:
            self.at = self._find(start)
        return self.at < end

    def _find(self, start: int) -> int:
        at = self._message.find(self._needle, start)
        return at if at >= 0 else len(self._message)


def _scope(message: bytes, part: Field) -> tuple[str, str, int]:
    """A scope's name and version, and where its spans begin."""
    if part.start == part.end or message[part.start] != SCOPE:
        return "", "", part.start
    scope = field_at(message, part.start, part.end)
    found = {SCOPE_NAME: b"", SCOPE_VERSION: b""}
    for field in fields(message, scope.start, scope.end):
        if field.tag in found:
            found[field.tag] = message[field.start : field.end]
    try:
        return found[SCOPE_NAME].decode(), found[SCOPE_VERSION].decode(), scope.end
    except UnicodeDecodeError:
        raise WireError(f"the scope at byte {scope.at} has no name that is text") from None


def _any_in(part: Field, cursors: Sequence[_Cursor]) -> bool:
    """Whether one of the needles is in it at all; most scopes have none."""
    return any(one.is_before(part.start, part.end) for one in cursors)


def _spans(message: bytes, at: int, end: int, cursors: Sequence[_Cursor] | None) -> Iterator[Field]:
    """The spans between two places, those with a needle; all of them without cursors."""
    while at < end:
        field = _span_at(message, at, end) or field_at(message, at, end)
        at = field.end
        if field.tag == SPAN:
            if cursors is None or any(one.is_before(field.start, at) for one in cursors):
                yield field
        elif field.tag == SCOPE:
            raise WireError(f"a scope behind its spans at byte {field.at}")


def _span_at(message: bytes, at: int, end: int) -> Field | None:
    """A span of 128 to 16,383 bytes, as most have, at half the price of any field; None for anything else."""
    if at + 3 > end or message[at] != SPAN:
        return None
    low, high = message[at + 1], message[at + 2]
    after = at + 3 + (low & 0x7F | high << 7)
    if low < 0x80 or high >= 0x80 or after > end:
        return None
    span: Field = wide_row(Field, (SPAN, at, at + 3, after))
    return span
