"""Reading the journal: nothing that is damaged is believed, and nothing that is whole is lost."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.errors import FormatTooNewError
from otel_genai_cost.journal.books import store_book, stored_book
from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.location import journal_folders
from otel_genai_cost.journal.open_segment import frame
from otel_genai_cost.journal.reader import LINE_LIMIT_BYTES, read, segments
from otel_genai_cost.journal.segment import Journal

_LINES = [frame(encode({"seq": n, "n": n})) for n in range(1, 8)]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, sum(map(len, _LINES)) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed_and_costs_one_line_or_two(place: int, change: int) -> None:
    content = bytearray(b"".join(_LINES))
    content[place] ^= change
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.jsonl"
        path.write_bytes(bytes(content))
        batch = read(path, finished=True)
    assert {r["n"] for r in batch.records} <= set(range(1, 8))
    assert len(batch.records) >= 5  # a line feed that went or came joins or splits lines
    assert batch.damage


def test_a_line_behind_a_short_write_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(_LINES[0] + _LINES[1][:12] + _LINES[2] + _LINES[3])
    batch = read(path, finished=True)
    assert [r["n"] for r in batch.records] == [1, 3, 4]
    assert [damage.offset for damage in batch.damage] == [len(_LINES[0])]


def test_torn_line_of_a_live_segment_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(_LINES[0] + _LINES[1][:10])
    batch = read(path)
    assert ([r["n"] for r in batch.records], batch.offset, batch.damage) == (
        [1],
        len(_LINES[0]),
        [],
    )
    path.write_bytes(_LINES[0] + _LINES[1])
    assert [r["n"] for r in read(path, batch.offset).records] == [2]


def test_torn_line_of_a_finished_segment_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(_LINES[0] + _LINES[1][:10])
    batch = read(path, finished=True)
    assert [damage.reason for damage in batch.damage] == ["torn line at the end"]
    assert batch.offset == path.stat().st_size


def test_line_without_an_end_does_not_stop_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(_LINES[0] + b"x" * (6 * LINE_LIMIT_BYTES) + b"\n" + _LINES[1])
    found, offset, at_end = [], 0, False
    while not at_end:
        batch = read(path, offset)
        found += [r["n"] for r in batch.records]
        offset, at_end = batch.offset, batch.at_end
    assert found == [1, 2]


@pytest.mark.parametrize(
    "line", [b"\0" * 50, b"", b"00000000 [1]", frame(b"[1]")[:-1], frame(b"{")[:-1]]
)
def test_hostile_line_is_skipped(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(line + b"\n" + _LINES[0])
    batch = read(path)
    assert [r["n"] for r in batch.records] == [1]
    assert len(batch.damage) == 1


def test_seal_without_a_count_is_no_seal(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(_LINES[0] + frame(encode({"type": "seal", "count": "many"})))
    assert read(path, finished=True).sealed is None


def test_line_nested_beyond_reason_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(frame(b"[" * 100_000) + _LINES[0])
    batch = read(path, finished=True)
    assert (len(batch.damage), len(batch.records)) == (1, 1)


def test_newer_format_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(frame(encode({"type": "header", "format": 2})))
    with pytest.raises(FormatTooNewError, match="upgrade"):
        read(path)


def test_reader_follows_a_writer(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    seen, offset = [], 0
    for n in range(50):
        journal.append({"n": n})
        batch = read(segments(tmp_path)[0], offset)
        seen += [r["n"] for r in batch.records]
        offset = batch.offset
    assert seen == list(range(50))


def test_folders_are_tried_in_the_documented_order(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": "/state", "TMPDIR": "/tmp/y"}
    configured, state, temporary = journal_folders(tmp_path, environ)
    assert configured == tmp_path
    assert state == Path("/state/otel-genai-cost/journal")
    assert temporary.parent == Path("/tmp/y")
    assert temporary.name.startswith("otel-genai-cost-")
    assert journal_folders(None, {"HOME": "/h", "TMPDIR": "/t"})[0] == Path(
        "/h/.local/state/otel-genai-cost/journal"
    )


def test_book_is_kept_whole_and_checked(tmp_path: Path) -> None:
    lock = b'{"schema":"x"}'
    digest = sha256(lock).hexdigest()
    store_book(tmp_path, digest, lock)
    store_book(tmp_path, digest, lock)
    assert stored_book(tmp_path, digest) == lock
    (tmp_path / "books" / f"{digest}.json").write_bytes(b"{}")
    assert stored_book(tmp_path, digest) is None
    assert stored_book(tmp_path, "0" * 64) is None
