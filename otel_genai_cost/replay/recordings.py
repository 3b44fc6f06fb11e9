"""Recorded spans on disk: export requests out of files, folders and pipes, one at a time, however long the file.

A file is JSON Lines (one request a line, as the collector's file exporter writes them), one JSON document, one protobuf
request, or protobuf requests each behind its length (four bytes, as the collector's file exporter writes those); any of
them may be gzip.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, NamedTuple, NoReturn, cast

from otel_genai_cost.errors import ConfigurationError, JournalError
from otel_genai_cost.journal.codec import decode
from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.otlp.protobuf_request import protobuf_request
from otel_genai_cost.otlp.span import Request

__all__ = ["MESSAGE_LIMIT_BYTES", "Recording", "recordings"]

MESSAGE_LIMIT_BYTES: Final = 64 * 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_PEEK_BYTES: Final = 64
_BUFFER_BYTES: Final = 1024 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_Numbered = tuple[int, Request | None]
"""The number of a line or message, and the request it is; None for an empty or a refused one."""


class Recording(NamedTuple):
    """One export request, and its place in the input: the number of its line, or of its message."""

    number: int
    request: Request


def _raise(error: ConfigurationError) -> NoReturn:
    raise error


def recordings(
    paths: list[str],
    stdin: BinaryIO,
    on_refused: Callable[[ConfigurationError], None] = _raise,
) -> Iterator[Recording]:
    """Every request of the files, of all files in the folders, and of `stdin` for `-`; lines are numbered through.

    Args:
        paths: what to read.
        stdin: what `-` stands for.
        on_refused: is given each line or message that is no request, named with its file, and what breaks off in the
            middle; the rest is read on. Default: it is raised.

    Raises:
        ConfigurationError: for a path that is not there or cannot be opened.
    """
    return _read(list(_files(paths)), stdin, on_refused)


def _read(
    files: list[tuple[Path | None, str]],
    stdin: BinaryIO,
    on_refused: Callable[[ConfigurationError], None],
) -> Iterator[Recording]:
    number = 0
    for path, name in files:
        with _opened(stdin if path is None else _open(path)) as stream:
            last = 0
            try:
                for last, request in _messages(stream, _Source(name, on_refused)):
                    if request is not None:
                        yield Recording(number + last, request)
            except (OSError, EOFError, zlib.error) as error:
                on_refused(_unreadable(name, error))
            number += last


class _Source(NamedTuple):
    """Where requests come from, and who is notified of what is none."""

    name: str
    on_refused: Callable[[ConfigurationError], None]

    def refuse(self, data: bytes, number: int) -> None:
        """Report that a line or message is no request."""
        self.on_refused(
            ConfigurationError(
                f"line {number} is no OTLP export request of at most {MESSAGE_LIMIT_BYTES:,} bytes",
                value=data[:80].decode(errors="replace").strip(),
                where=self.name,
                remedy="write one ExportTraceServiceRequest a line, or protobuf",
            )
        )


def _open(path: Path) -> io.FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise _unreadable(str(path), error) from None


def _unreadable(name: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        "cannot read recorded spans", value=name, where=str(error), remedy="name OTLP files"
    )


def _files(paths: list[str]) -> Iterator[tuple[Path | None, str]]:
    """Raises ConfigurationError for a path that is not there, before anything is read."""
    for path in paths:
        if path == "-":
            yield None, "stdin"
        elif Path(path).is_dir():
            found = sorted(one for one in Path(path).rglob("*") if one.is_file())
            yield from ((one, str(one)) for one in found if not one.name.startswith("."))
        elif Path(path).exists():
            yield Path(path), path
        else:
            raise _unreadable(path, FileNotFoundError("no such file or folder"))


@contextmanager
def _opened(raw: object) -> Generator[io.BufferedReader[Any], None, None]:
    """The bytes of a file or pipe, unpacked if they are gzip; closes it."""
    with io.BufferedReader(cast("Any", raw), _BUFFER_BYTES) as raw_file:
        if raw_file.peek(2)[:2] != _GZIP:
            yield raw_file
            return
        with io.BufferedReader(_Unpacked(raw_file), _BUFFER_BYTES) as stream:
            yield stream


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, a piece a time: of one that is cut off, everything before the cut."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = gzip.GzipFile(fileobj=packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._packed.read1(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _messages(stream: io.BufferedReader[Any], source: _Source) -> Iterator[_Numbered]:
    if stream.peek(_PEEK_BYTES)[:3] == _BYTE_ORDER_MARK:
        stream.read(3)
    head = stream.peek(_PEEK_BYTES)[:_PEEK_BYTES]
    if head[:1] == b"\x00":
        yield from _framed(stream, source)
    elif _is_json(head):
        yield from _json(stream, source)
    elif head:
        yield from _bare(stream, source)


def _is_json(head: bytes) -> bool:
    """A protobuf request of exactly 123 bytes begins with a line feed and a brace, too, but goes on with a tag."""
    if head[:2] == b"\n{" and head[2:3] in (b"\n", b"\x12"):
        return False
    return head.lstrip()[:1] == b"{"


def _json(stream: IO[bytes], source: _Source) -> Iterator[_Numbered]:
    """A request a line, or one JSON document over many lines."""
    first = b""
    while not first.strip() and (line := stream.readline(MESSAGE_LIMIT_BYTES + 1)):
        first += line
    if len(first) > MESSAGE_LIMIT_BYTES or _decoded(first) is not None:
        yield from _json_lines(_lines_of(first, stream), source)
        return
    whole = first + stream.read(MESSAGE_LIMIT_BYTES + 1 - len(first))
    document = _decoded(whole)
    if document is not None:
        yield 1, json_request(document)
    else:
        yield from _json_lines(_lines_of(whole, stream), source)


def _json_lines(lines: Iterable[bytes], source: _Source) -> Iterator[_Numbered]:
    for number, line in enumerate(lines, start=1):
        message = None if line.isspace() else _decoded(line)
        if message is None and not line.isspace():
            source.refuse(line, number)
        yield number, None if message is None else json_request(message)


def _lines_of(begun: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of what was read already, the last of them to its end, and of the rest of a stream."""
    tail = begun
    while tail and not tail.endswith(b"\n"):
        tail = stream.readline(MESSAGE_LIMIT_BYTES + 1)
        begun = (begun + tail)[: 2 * MESSAGE_LIMIT_BYTES]
    return chain(_lines(io.BytesIO(begun)), _lines(stream))


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines; of one that is too long its beginning."""
    while line := stream.readline(MESSAGE_LIMIT_BYTES + 1):
        yield line
        too_long = len(line) > MESSAGE_LIMIT_BYTES
        while too_long and line and not line.endswith(b"\n"):
            line = stream.readline(_BUFFER_BYTES)


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        return decode(line) if len(line) <= MESSAGE_LIMIT_BYTES else None
    except (JournalError, RecursionError):
        return None


def _framed(stream: IO[bytes], source: _Source) -> Iterator[_Numbered]:
    """Messages behind their lengths; where one is cut off, nothing shows where the next begins."""
    number = 0
    while prefix := stream.read(4):
        number += 1
        size = int.from_bytes(prefix, "big")
        body = stream.read(size) if size <= MESSAGE_LIMIT_BYTES else b""
        if len(prefix) < 4 or len(body) < size:
            source.refuse(prefix + body, number)
            return
        request = _protobuf(body)
        if request is None:
            source.refuse(body, number)
        yield number, request


def _bare(stream: IO[bytes], source: _Source) -> Iterator[_Numbered]:
    """One protobuf request; or lines, of which the first is none."""
    body = stream.read(MESSAGE_LIMIT_BYTES + 1)
    request = _protobuf(body)
    if request is not None:
        yield 1, request
    elif b"\n{" in body:
        yield from _json_lines(_lines_of(body, stream), source)
    else:
        source.refuse(body, 1)


def _protobuf(body: bytes) -> Request | None:
    try:
        return protobuf_request(body) if len(body) <= MESSAGE_LIMIT_BYTES else None
    except ValueError:
        return None
