"""A writer's seal says how many records there are; a thread that was about to write may still do so behind it."""

from __future__ import annotations

from pathlib import Path

from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.open_segment import OpenSegment, create_segment
from otel_genai_cost.journal.reader import read
from otel_genai_cost.journal.repair import gap_places, inspect_segment
from otel_genai_cost.ledger.storage.cursors import Cursor, advanced


def _sealed(folder: Path, *, lost: int = 0) -> OpenSegment:
    segment = create_segment(OsFiles(), folder, 1, 0.0)
    segment.room_bytes = 1 << 20
    assert segment.write_all([b'{"n":1}', b'{"n":2}'], 0) == 2
    segment.skip(lost)
    segment.seal(2)
    return segment


def _gaps(path: Path) -> tuple[int, int, int]:
    """As all that look at a segment count them."""
    read_whole = advanced(Cursor(str(path)), read(path, finished=True), done=True)
    places = sum(last - first + 1 for _, first, last in gap_places(path))
    return read_whole.gaps, inspect_segment(path).gaps, places


def test_what_is_written_behind_the_seal_is_not_taken_for_a_gap(tmp_path: Path) -> None:
    segment = _sealed(tmp_path)
    assert segment.write(b'{"n":3}')
    path = segment.path
    del segment
    assert [record["n"] for record in read(path, finished=True).records] == [1, 2, 3]
    assert _gaps(path) == (0, 0, 0)


def test_what_is_missing_before_the_seal_is_one(tmp_path: Path) -> None:
    segment = _sealed(tmp_path, lost=3)
    path = segment.path
    assert segment.write(b'{"n":6}')
    del segment
    assert _gaps(path) == (3, 3, 3)
