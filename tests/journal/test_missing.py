"""What is proved to be missing, whatever the order and however often a line is there."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.journal.missing import SEQ_LIMIT, Ranges, count, noted
from otel_genai_cost.journal.repair import inspect
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import ship


@given(st.lists(st.lists(st.integers(1, 60), max_size=40), max_size=6))
def test_what_is_missing_is_what_was_not_read(batches: list[list[int]]) -> None:
    seq_max, seen = 0, set[int]()
    missing: Ranges = ()
    for batch in batches:
        seq_max, missing = noted(seq_max, missing, batch)
        seen.update(batch)
    every = set(range(1, max(seen, default=0) + 1))
    assert {n for first, last in missing for n in range(first, last + 1)} == every - seen
    assert count(missing) == len(every - seen)


def test_what_no_writer_writes_says_nothing() -> None:
    assert noted(0, (), [True, 0, -5, "7", None, 2.0, SEQ_LIMIT, 1 << 80]) == (0, ())


def test_repeated_line_hides_no_missing_one(tmp_path: Path) -> None:
    journal = Journal([tmp_path / "journal"])
    for n in range(10):
        journal.append({"n": n})
    journal.close()
    (segment,) = (tmp_path / "journal").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    hostile = [*lines[:4], *lines[5:7], *lines[2:4] * 5, *lines[7:]]
    segment.write_bytes(b"".join(hostile))
    (state,) = inspect(tmp_path / "journal")
    assert (state.gaps, state.damage) == (1, ())
    for _ in range(2):
        assert ship(tmp_path, [tmp_path / "journal"], drain=True).gaps == 1
