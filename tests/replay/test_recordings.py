"""Files of requests: JSON Lines, a document, protobuf framed and bare, each plain and gzipped."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.replay.recordings import recordings
from tests.replay.otlp import chat, protobuf, request, span

_REQUESTS = [request(span(n, chat(n))) for n in (1, 2)]


def _numbers(*paths: Path | str, stdin: bytes = b"") -> list[tuple[int, int]]:
    found = recordings([str(path) for path in paths], io.BytesIO(stdin))
    return [(one.number, view.span_id) for one in found for view in one.request.spans]


def _lines(requests: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in requests)


def _framed(requests: list[dict[str, Any]]) -> bytes:
    bodies = [protobuf(one).SerializeToString() for one in requests]
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


@pytest.mark.parametrize("form", [_lines, _framed])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_many_requests(
    form: Callable[[list[dict[str, Any]]], bytes], pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    data = pack(form(_REQUESTS))
    (tmp_path / "file").write_bytes(data)
    assert _numbers(tmp_path / "file") == [(1, 1), (2, 2)]
    assert _numbers("-", stdin=data) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(_REQUESTS[0], indent=2).encode(),
        protobuf(_REQUESTS[0]).SerializeToString(),
        gzip.compress(protobuf(_REQUESTS[0]).SerializeToString()),
    ],
    ids=["json document", "protobuf", "protobuf gzip"],
)
def test_one_request(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    assert _numbers(tmp_path / "file") == [(1, 1)]


def test_protobuf_that_begins_like_json_isprotobuf(tmp_path: Path) -> None:
    """A first field of 123 bytes: a line feed, then a brace."""
    message = protobuf(request({**span(1, {}), "name": ""}, scope="s", resource={"a": "b"}))
    block = message.resource_spans[0]
    block.schema_url = "x" * (123 - block.ByteSize() - 2)
    data = message.SerializeToString()
    assert data[:2] == b"\n{"
    (tmp_path / "file").write_bytes(data)
    assert _numbers(tmp_path / "file") == [(1, 1)]


def test_folder_in_order_of_names_and_lines_numbered_through(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(_lines(_REQUESTS[1:]))
    (tmp_path / "a.jsonl").write_bytes(b"\n" + _lines(_REQUESTS[:1]))
    (tmp_path / ".hidden").write_bytes(b"no request")
    assert _numbers(tmp_path) == [(2, 1), (3, 2)]


def test_empty_file_has_no_request(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert _numbers(tmp_path / "file") == []


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (_lines(_REQUESTS) + b"{torn", 3),
        (b"{}\n[]\n", 2),
        (_framed(_REQUESTS)[:-1], 2),
        (b"\x00\x00\x00\x04abcd", 1),
        (b"garbage", 1),
        (b"{" * 100_000, 1),
    ],
)
def test_what_is_no_request_is_named(data: bytes, line: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ConfigurationError, match=rf"line {line} .*{tmp_path}"):
        _numbers(tmp_path / "file")


@pytest.mark.parametrize(
    ("data", "lines", "refused"),
    [
        (b"garbage\n" + _lines(_REQUESTS), [2, 3], 1),
        (b"\n{torn\n" + _lines(_REQUESTS), [3, 4], 1),
        (_lines(_REQUESTS[:1]) + b"{torn\n[]\n" + _lines(_REQUESTS[1:]), [1, 4], 2),
        (b"\xef\xbb\xbf" + _lines(_REQUESTS), [1, 2], 0),
        (b"{\n" + _lines(_REQUESTS), [2, 3], 1),
        (_framed(_REQUESTS[:1]) + b"\0\0\0\4abcd" + _framed(_REQUESTS[1:]), [1, 3], 1),
        (_framed(_REQUESTS)[:-1], [1], 1),
        (gzip.compress(_lines(_REQUESTS))[:-9], [1, 2], 1),
    ],
    ids=["text first", "torn first", "torn", "mark", "brace", "message", "cut off", "gzip cut off"],
)
@pytest.mark.parametrize("name", ["file", "-"])
def test_the_rest_is_read(
    data: bytes, lines: list[int], refused: int, name: str, tmp_path: Path
) -> None:
    told: list[ConfigurationError] = []
    (tmp_path / "file").write_bytes(data)
    path = name if name == "-" else str(tmp_path / name)
    found = list(recordings([path], io.BytesIO(data), told.append))
    assert [one.number for one in found] == lines
    assert len(told) == refused


def test_a_line_that_is_too_long_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_genai_cost.replay.recordings.MESSAGE_LIMIT_BYTES", 5_000)
    for long in (b'{"a": "' + b"x" * 50_000 + b'"}\n', b"{" + b"x" * 50_000 + b"\n"):
        for data, lines in ((long + _lines(_REQUESTS), [2, 3]), (_lines(_REQUESTS) + long, [1, 2])):
            told: list[ConfigurationError] = []
            found = list(recordings(["-"], io.BytesIO(data), told.append))
            assert [one.number for one in found] == lines
            assert len(told) == 1


def test_file_that_is_not_there_or_torn(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        _numbers(tmp_path / "nowhere")
    (tmp_path / "torn").write_bytes(gzip.compress(_lines(_REQUESTS))[:-9])
    with pytest.raises(ConfigurationError, match="torn"):
        _numbers(tmp_path / "torn")
