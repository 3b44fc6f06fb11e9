"""Recorded spans on disk: export requests out of files, folders and pipes, one at a time, however long the file.

A file is JSON Lines (one request a line, as the collector's file exporter writes them), one JSON document, one protobuf
request, or protobuf requests each behind its length (four bytes, as the collector's file exporter writes those); any of
them may be gzip.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from otel_genai_cost.collector.wire import Request, json_request, protobuf_request
from otel_genai_cost.errors import ConfigurationError, JournalError
from otel_genai_cost.journal.codec import decode

__all__ = ["MESSAGE_LIMIT_BYTES", "Recording", "recordings"]

MESSAGE_LIMIT_BYTES: Final = 64 * 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_PEEK_BYTES: Final = 64
_BUFFER_BYTES: Final = 1024 * 1024


class Recording(NamedTuple):
    """One export request, and its place in the input: the number of its line, or of its message."""

    number: int
    request: Request


def recordings(paths: list[str], stdin: BinaryIO) -> Iterator[Recording]:
    """Every request of the files, of all files in the folders, and of `stdin` for `-`; lines are numbered through.

    Raises ConfigurationError, naming the file and the line, for what cannot be read.
    """
    number = 0
    for path, name in _files(paths):
        try:
            with _opened(stdin if path is None else path.open("rb", buffering=0)) as stream:
                last = 0
                for last, message in _messages(stream, name):
                    yield Recording(number + last, message)
                number += last
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigurationError(
                "cannot read recorded spans", value=name, where=str(error), remedy="name OTLP files"
            ) from None


def _files(paths: list[str]) -> Iterator[tuple[Path | None, str]]:
    for path in paths:
        if path == "-":
            yield None, "stdin"
        elif Path(path).is_dir():
            found = sorted(one for one in Path(path).rglob("*") if one.is_file())
            yield from ((one, str(one)) for one in found if not one.name.startswith("."))
        else:
            yield Path(path), path


@contextmanager
def _opened(raw: object) -> Generator[io.BufferedReader[Any], None, None]:
    """The bytes of a file or pipe, unpacked if they are gzip; closes it."""
    with io.BufferedReader(cast("Any", raw), _BUFFER_BYTES) as plain:
        if plain.peek(2)[:2] != _GZIP:
            yield plain
            return
        with io.BufferedReader(gzip.GzipFile(fileobj=plain), _BUFFER_BYTES) as stream:
            yield stream


def _messages(stream: io.BufferedReader[Any], name: str) -> Iterator[tuple[int, Request]]:
    head = stream.peek(_PEEK_BYTES)[:_PEEK_BYTES]
    if head[:1] == b"\x00":
        yield from _framed(stream, name)
    elif _is_json(head):
        yield from _json_lines(stream, name)
    elif head:
        body = stream.read(MESSAGE_LIMIT_BYTES + 1)
        yield 1, _protobuf(body, name, 1)


def _is_json(head: bytes) -> bool:
    """A protobuf request of exactly 123 bytes begins with a line feed and a brace, too, but goes on with a tag."""
    if head[:2] == b"\n{" and head[2:3] in (b"\n", b"\x12"):
        return False
    return head.lstrip()[:1] == b"{"


def _json_lines(stream: io.BufferedReader[Any], name: str) -> Iterator[tuple[int, Request]]:
    number = 0
    while line := stream.readline(MESSAGE_LIMIT_BYTES + 1):
        number += 1
        if line.isspace():
            continue
        try:
            message = decode(line)
        except (JournalError, RecursionError):
            if number > 1 or len(line) > MESSAGE_LIMIT_BYTES:
                raise _refused(line, name, number) from None
            yield number, _document(line, stream, name)
            return
        yield number, json_request(message)


def _document(first: bytes, stream: io.BufferedReader[Any], name: str) -> Request:
    """A file that is one JSON document over many lines."""
    rest = stream.read(MESSAGE_LIMIT_BYTES + 1 - len(first))
    try:
        if len(first) + len(rest) > MESSAGE_LIMIT_BYTES:
            raise JournalError("too long")
        return json_request(decode(first + rest))
    except (JournalError, RecursionError):
        raise _refused(first, name, 1) from None


def _framed(stream: io.BufferedReader[Any], name: str) -> Iterator[tuple[int, Request]]:
    number = 0
    while prefix := stream.read(4):
        number += 1
        size = int.from_bytes(prefix, "big")
        body = stream.read(size) if size <= MESSAGE_LIMIT_BYTES else b""
        if len(prefix) < 4 or len(body) < size:
            raise _refused(prefix + body, name, number)
        yield number, _protobuf(body, name, number)


def _protobuf(body: bytes, name: str, number: int) -> Request:
    try:
        if len(body) > MESSAGE_LIMIT_BYTES:
            raise ValueError("too long")
        return protobuf_request(body)
    except ValueError:
        raise _refused(body, name, number) from None


def _refused(data: bytes, name: str, number: int) -> ConfigurationError:
    return ConfigurationError(
        f"line {number} is no OTLP export request of at most {MESSAGE_LIMIT_BYTES:,} bytes",
        value=data[:80].decode(errors="replace").strip(),
        where=name,
        remedy="write one ExportTraceServiceRequest a line, or protobuf",
    )
