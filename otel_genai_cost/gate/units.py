"""An answer's body cut into what its format is made of, as it comes: events, lines or frames.

Whatever chunks bring comes out again, in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from otel_genai_cost.usage.read import NOTHING
from otel_genai_cost.usage.values import Object, as_object
from otel_genai_cost.usage.wire_answers import (
    CHECKSUM_BYTES,
    PRELUDE_BYTES,
    event_of_frame,
    parsed,
)

__all__ = ["UNIT_MAX_BYTES", "Unit", "Units", "units_of"]

UNIT_MAX_BYTES: Final = 1 << 20
"""A longer event passes in pieces, unread."""

_BLANK_LINE: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE_END: Final = re.compile(rb"\n")
_LINES: Final = re.compile(rb"\r\n|\n|\r")


class Unit(NamedTuple):
    """A piece of a body: as it came, what it says, and whether another can follow it without being a part of it."""

    raw: bytes
    event: Object
    is_whole: bool = True


class Units:
    """Cuts a body.

    Args:
        border: says where the first unit of some bytes ends, given where to look from; None if it is not all there.
        read: what a unit says.
    """

    def __init__(
        self, border: Callable[[bytes, int], int | None], read: Callable[[bytes], Object]
    ) -> None:
        self._border, self._read = border, read
        self._pending = b""
        self._is_inside = False

    def feed(self, chunk: bytes) -> Iterator[Unit]:
        """The units that are there, now that a chunk has come.

        Args:
            chunk: of the body; of any size.
        """
        seen = max(len(self._pending) - 3, 0)
        self._pending += chunk
        while (end := self._border(self._pending, seen)) is not None:
            raw, self._pending, seen = self._pending[:end], self._pending[end:], 0
            event = NOTHING if self._is_inside else self._read(raw)
            self._is_inside = False
            yield Unit(raw, event)
        if len(self._pending) > UNIT_MAX_BYTES:
            raw, self._pending, self._is_inside = self._pending, b"", True
            yield Unit(raw, NOTHING, is_whole=False)

    def rest(self) -> Iterator[Unit]:
        """What is left at the body's end: a last unit without a border."""
        raw, self._pending = self._pending, b""
        if raw:
            yield Unit(raw, NOTHING if self._is_inside else self._read(raw))


def _event(raw: bytes) -> Object:
    lines = (line for line in _LINES.split(raw) if line.startswith(b"data:"))
    return as_object(parsed(b"\n".join(line[5:] for line in lines)))


def _line(raw: bytes) -> Object:
    return as_object(parsed(raw))


def _behind(pattern: re.Pattern[bytes]) -> Callable[[bytes, int], int | None]:
    def border(content: bytes, start: int) -> int | None:
        found = pattern.search(content, start)
        return None if found is None else found.end()

    return border


def _frame_end(content: bytes, _: int) -> int | None:
    """A frame begins with its length. A length that is none leaves the rest unread."""
    if len(content) < PRELUDE_BYTES:
        return None
    size = int.from_bytes(content[:4], "big")
    if not PRELUDE_BYTES + CHECKSUM_BYTES <= size <= UNIT_MAX_BYTES:
        return None
    return size if len(content) >= size else None


_UNITS: Final[Mapping[str, Callable[[], Units]]] = {
    "text/event-stream": lambda: Units(_behind(_BLANK_LINE), _event),
    "application/x-ndjson": lambda: Units(_behind(_LINE_END), _line),
    "application/jsonl": lambda: Units(_behind(_LINE_END), _line),
    "application/vnd.amazon.eventstream": lambda: Units(_frame_end, event_of_frame),
}
"""Kind of content -> how it is cut."""


def units_of(content_type: str) -> Units | None:
    """How a stream of this type is cut; None if it is no stream that is known.

    Args:
        content_type: of the answer, as its header has it.
    """
    make = _UNITS.get(content_type.partition(";")[0].strip().lower())
    return None if make is None else make()
