"""An answer on its way through a gateway: passed on piece by piece, read beside that, and ended before its time where
nobody grants what it goes on to write."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.gate.endings import Seen
from otel_genai_cost.gate.units import Unit, units_of
from otel_genai_cost.gate.watch import Watch
from otel_genai_cost.usage.estimates import Arrived
from otel_genai_cost.usage.payload import payload_of
from otel_genai_cost.usage.values import Object, as_object, objects
from otel_genai_cost.usage.wire_answers import Gathered, parsed, texts_in

__all__ = ["WHOLE_MAX_BYTES", "Passing"]

WHOLE_MAX_BYTES: Final = 1 << 24
"""An answer that is one object and longer than this passes unread."""

_BYTES_PER_TOKEN: Final = 4
_PIECE_BYTES: Final = 1 << 18
_GZIP_OR_DEFLATE: Final = 32 + zlib.MAX_WBITS
_PACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_NOT_PACKED: Final = frozenset({"", "identity"})
_USAGE: Final = ("usage", "usageMetadata", "usage_metadata")


class Passing:
    """The body of an answer.

    Args:
        headers: of the answer.
        watch: says whether it may go on.
        hides_usage: whether an event with nothing but usage is kept from the caller, who did not ask for it.

    Attributes:
        is_cut: whether it was ended before its time.
        is_complete: whether it has come to its end.
        is_read: whether it is of a kind that can be read.
        arrived: what came of its text.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        watch: Watch,
        *,
        hides_usage: bool = False,
    ) -> None:
        self._type = headers.get("content-type", "").lower()
        encoding = headers.get("content-encoding", "").strip().lower()
        self._units = units_of(self._type) if encoding in _PACKED | _NOT_PACKED else None
        self._unpack = (
            zlib.decompressobj(_GZIP_OR_DEFLATE).decompress if encoding in _PACKED else None
        )
        self._watch, self._hides_usage = watch, hides_usage
        is_json = "json" in self._type and encoding in _PACKED | _NOT_PACKED
        self.is_read = self._units is not None or is_json
        self._whole: bytearray | None = bytearray() if is_json and self._units is None else None
        self.is_cut = self.is_complete = False
        self._gathered, self._seen, self.arrived = Gathered(), Seen(), Arrived()
        self._parts = 0

    @property
    def is_unpacked(self) -> bool:
        """Whether it goes on unpacked: a packed stream could not be ended by an event."""
        return self._units is not None and self._unpack is not None

    @property
    def answer(self) -> dict[str, Any]:
        """What it says of itself, as a whole answer would."""
        return self._gathered.said

    @property
    def is_ended(self) -> bool:
        """Whether the model came to its end, as far as the answer says."""
        if self._units is None:
            return self.is_complete
        return self._gathered.is_ended or bool(self._gathered.reasons)

    @property
    def tokens(self) -> int:
        """How much it has likely written: what it says, else by its bytes, and no less than a token a part."""
        likely = max(-(-self.arrived.text_bytes // _BYTES_PER_TOKEN), self._parts)
        said = 0
        for key in _USAGE:
            usage = as_object(self.answer.get(key))
            output = payload_of(usage).counts.output_total if usage else None
            said = max(said, output) if type(output) is int else said
        return max(likely, said)

    async def passed(self, chunk: bytes, *, is_end: bool) -> tuple[bytes, bool]:
        """What goes on of a part of the body, and whether that is the last there will be.

        Args:
            chunk: as it came.
            is_end: whether it is the last.
        """
        if self.is_cut:
            return b"", False
        out = bytearray() if self._units is not None else bytearray(chunk)
        for unpacked in self._unpacked(chunk):
            if self._units is None:
                self._keep(unpacked)
            elif await self._pass(self._units.feed(unpacked), out):
                return bytes(out), True
        if is_end:
            if self._units is not None and await self._pass(self._units.rest(), out):
                return bytes(out), True
            self._finish()
        return bytes(out), is_end

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        """The chunk unpacked, in pieces: a few bytes may stand for very many."""
        if self._unpack is None or not (self._units is not None or self._whole is not None):
            yield chunk
            return
        left = chunk
        while left:
            try:
                piece = self._unpack(left, _PIECE_BYTES)
            except zlib.error:
                self._whole = None
                return
            left = self._unpack.__self__.unconsumed_tail  # type: ignore[attr-defined]
            yield piece

    async def _pass(self, units: Iterator[Unit], out: bytearray) -> bool:
        """Pass units on; whether the answer was cut behind one of them."""
        for unit in units:
            if unit.event:
                self._read(unit.event)
                if self._hides_usage and _is_usage_alone(unit.event):
                    continue
                self._seen.take(unit.event)
            out += unit.raw
            if unit.event and unit.is_whole and not await self._may_go_on():
                out += self._seen.ending(self._type, self.tokens)
                self.is_cut = True
                return True
        return False

    def _read(self, event: Object) -> None:
        self._gathered.take(event)
        texts = [text for text in texts_in(event) if text]
        for text in texts:
            self.arrived.add(text)
        self._parts += bool(texts)

    async def _may_go_on(self) -> bool:
        """Whether another event may come; what is at its end always may."""
        return self.is_ended or await self._watch.may_go_on(self.tokens)

    def _keep(self, unpacked: bytes) -> None:
        if self._whole is None:
            return
        self._whole += unpacked
        if len(self._whole) > WHOLE_MAX_BYTES:
            self._whole, self.is_read = None, False

    def _finish(self) -> None:
        self.is_complete = True
        if self._whole is None:
            return
        found = parsed(bytes(self._whole))
        self._whole = None
        for event in (as_object(found),) if as_object(found) else objects(found):
            self._gathered.take(event)


def _is_usage_alone(event: Object) -> bool:
    return event.get("choices") == [] and bool(event.get("usage"))
