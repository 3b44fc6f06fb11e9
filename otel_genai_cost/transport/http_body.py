"""The body of an HTTP request, as it comes: in one piece or in chunks, compressed or not, and never more of it than
there is room for."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from email.message import Message
from typing import BinaryIO, Final

__all__ = ["Body", "BodyError", "TooLargeError", "unpacked"]

_PIECE_BYTES: Final = 1 << 16
_LINE_BYTES: Final = 1 << 12
_GZIP: Final = 31
"""zlib's word for it."""


class BodyError(ValueError):
    """There is no body, or it is not what its headers say."""


class TooLargeError(ValueError):
    """There is more of it than may be."""


class Body:
    """The body of a request.

    Args:
        stream: Where it comes from.
        headers: Of the request, by any case.
    """

    def __init__(self, stream: BinaryIO, headers: Message) -> None:
        self._stream = stream
        coding, length = headers.get("Transfer-Encoding"), headers.get("Content-Length")
        self._is_chunked = coding is not None
        self._is_bad = (coding or "chunked").strip().lower() != "chunked" or (
            length is not None and (self._is_chunked or not _is_number(length))
        )
        self._is_given = self._is_chunked or length is not None
        self._pieces = iter(()) if self._is_bad else self._read(length or "0")

    def pieces(self) -> Iterator[bytes]:
        """What comes, piece by piece.

        Raises:
            BodyError: if it is not what its headers say, or there is none.
        """
        if not self._is_given:
            raise BodyError("a request needs Content-Length or chunks")
        if self._is_bad:
            raise BodyError("a body is as long as Content-Length says, or in chunks")
        return self._pieces

    def skip_rest(self, max_bytes: int) -> bool:
        """Read what is left and keep nothing of it; whether it came to its end."""
        if self._is_bad:
            return False
        try:
            for piece in self._pieces:
                max_bytes -= len(piece)
                if max_bytes < 0:
                    return False
        except BodyError:
            self._is_bad = True
        return not self._is_bad

    def _read(self, length: str) -> Iterator[bytes]:
        if not self._is_chunked:
            yield from self._exactly(int(length))
            return
        while size := self._chunk_size():
            yield from self._exactly(size)
            self._line()
        while self._line():
            pass

    def _exactly(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._stream.read(min(left, _PIECE_BYTES))
            if not piece:
                raise self._bad("the body ends early")
            left -= len(piece)
            yield piece

    def _chunk_size(self) -> int:
        try:
            size = int(self._line().split(b";")[0], 16)
        except ValueError:
            size = -1
        if size < 0:
            raise self._bad("a chunk without a size")
        return size

    def _line(self) -> bytes:
        line = self._stream.readline(_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise self._bad("the body ends early")
        return line.strip()

    def _bad(self, why: str) -> BodyError:
        """Where the next request begins is not known any more."""
        self._is_bad = True
        return BodyError(why)


def _is_number(length: str) -> bool:
    return length.isascii() and length.isdecimal() and len(length) < 20


def unpacked(
    pieces: Iterator[bytes], is_gzip: bool, hold: Callable[[int], None], max_bytes: int
) -> bytes:
    """A body, whole.

    Args:
        pieces: As they come.
        is_gzip: Whether it is compressed.
        hold: Is told of so many more bytes, before they are kept; what it raises ends it.
        max_bytes: How many there may be, unpacked.

    Raises:
        BodyError: if it is not compressed as it should be.
        TooLargeError: if there are more.
    """
    parts: list[bytes] = []
    size = 0
    for part in _inflated(pieces) if is_gzip else pieces:
        size += len(part)
        if size > max_bytes:
            raise TooLargeError(f"a request of more than {max_bytes} bytes")
        hold(len(part))
        parts.append(part)
    return b"".join(parts)


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A small piece may be a very large one: it is unpacked bit by bit."""
    inflating = zlib.decompressobj(_GZIP)
    try:
        for piece in pieces:
            part = b""
            while piece or len(part) == _PIECE_BYTES:
                if inflating.eof:
                    inflating = zlib.decompressobj(_GZIP)
                part = inflating.decompress(piece, _PIECE_BYTES)
                yield part
                piece = inflating.unconsumed_tail or inflating.unused_data
    except zlib.error as error:
        raise BodyError(f"no gzip: {error}") from None
    if not inflating.eof:
        raise BodyError("gzip ends early")
