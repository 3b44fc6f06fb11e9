"""Repairing: whatever happened to a segment, every record that could be read can still be, and nothing else is left."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.errors import FormatTooNewError, JournalError
from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.open_segment import frame
from otel_genai_cost.journal.reader import LINE_LIMIT_BYTES, read, segments
from otel_genai_cost.journal.repair import gap_places, inspect_segment, repair
from otel_genai_cost.journal.segment import Journal

_HEADER = frame(encode({"type": "header", "format": 1, "facts": {"book": "b"}}))
_LINES = [frame(encode({"seq": n, "n": n, "text": "\u00e9" * n})) for n in range(1, 9)]
_SEAL = frame(encode({"type": "seal", "count": 8}))


def _records(path: Path) -> list[dict[str, Any]]:
    found, offset, at_end = list[dict[str, Any]](), 0, False
    while not at_end:
        batch = read(path, offset, finished=True)
        found += batch.records
        offset, at_end = batch.offset, batch.at_end
    return found


_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "drop", "put"]),
        st.integers(0, 10_000),
        st.binary(min_size=1, max_size=40),
    ),
    max_size=6,
)


def _changed(content: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    """A file after a few accidents."""
    for kind, place, what in changes:
        at = place % (len(content) + 1)
        if kind == "flip":
            content = content[:at] + bytes([what[0]]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "drop":
            content = content[:at] + content[at + len(what) :]
        else:
            content = content[:at] + what + content[at:]
    return content


@settings(max_examples=150, deadline=None)
@given(_CHANGES)
def test_whatever_happened_every_record_that_could_be_read_still_can(
    changes: list[tuple[str, int, bytes]],
) -> None:
    content = _changed(b"".join([_HEADER, *_LINES, _SEAL]), changes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.jsonl"
        path.write_bytes(content)
        before, state = _records(path), inspect_segment(path)
        done = repair(path)
        assert (done is not None) == bool(state.damage)
        after = inspect_segment(path)
        assert not after.damage
        assert (_records(path), after.gaps) == (before, state.gaps)
        assert repair(path) is None
        assert segments(Path(folder)) == [path]
        if done is not None:
            assert done.aside.read_bytes() == content
            assert done.left_out_bytes == len(content) - path.stat().st_size
        assert sum(last - first + 1 for _, first, last in gap_places(path)) == after.gaps


@pytest.mark.parametrize("joined", [b"", b"\0", b"\r"])
def test_lines_whose_end_was_lost_are_two_records(tmp_path: Path, joined: bytes) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(_LINES[0] + _LINES[1][:-1] + joined + _LINES[2] + _LINES[3][:-1] + joined)
    assert [one["n"] for one in _records(path)] == [1, 2, 3, 4]
    assert repair(path) is not None
    assert path.read_bytes() == b"".join(_LINES[:4])


def test_last_line_that_lacks_its_end_alone_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(_LINES[0] + _LINES[1][:-1])
    assert [one["n"] for one in _records(path)] == [1, 2]
    assert inspect_segment(path).damage == ()


def test_zeros_of_a_power_cut_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(_LINES[0] + b"\0" * (5 * LINE_LIMIT_BYTES))
    assert inspect_segment(path).damage
    assert repair(path) is not None
    assert path.read_bytes() == _LINES[0]


def test_what_is_written_or_newer_is_not_touched(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    journal.append({"n": 1})
    (live,) = segments(tmp_path)
    with pytest.raises(JournalError, match="still written"):
        repair(live)
    newer = tmp_path / "t.jsonl"
    newer.write_bytes(frame(encode({"type": "header", "format": 2})) + b"x\n")
    with pytest.raises(FormatTooNewError):
        repair(newer)
    assert not list(tmp_path.glob("*.damaged"))


def test_a_repair_that_is_cut_short_leaves_the_segment_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.jsonl"
    content = _LINES[0] + _LINES[1][5:] + _LINES[2]
    path.write_bytes(content)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("otel_genai_cost.journal.repair.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        repair(path)
    assert [one.name for one in tmp_path.iterdir()] == ["s.jsonl"] and path.read_bytes() == content
    (tmp_path / ".s.new").write_bytes(b"half of it")  # of one that was killed
    monkeypatch.undo()
    assert repair(path) is not None
    assert path.read_bytes() == _LINES[0] + _LINES[2]
