"""What has not gone on of a journal, to the byte and the cent."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from otel_genai_cost.forwarding.folder import JournalFolder, Life, Position
from otel_genai_cost.intake.unshipped import Unshipped, left_in, unbooked
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.storage.cursors import Cursor
from otel_genai_cost.ledger.storage.store import Ledger
from tests.intake.sent import line_ends
from tests.ledger.build import observe

_CALL_USD = 0.0035


def _figures(unshipped: Unshipped) -> dict[str, float]:
    lines = "".join(unshipped.figures()).splitlines()
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return {name.removeprefix("genai_cost_unshipped_"): float(value) for name, value in pairs}


def test_each_acknowledged_line_counts_at_once(tmp_path: Path) -> None:
    journal, count = Journal([tmp_path]), 200  # more than a stretch that is counted at once
    for n in range(count):
        journal.append(to_record(observe(n, trace=n)))
    (path,) = segments(tmp_path)
    folder, unshipped = JournalFolder(tmp_path), Unshipped(lambda: [tmp_path])
    assert path.stat().st_size > 100_000
    assert folder.hold()
    found = _figures(unshipped)
    assert found["bytes"] == path.stat().st_size
    assert found["usd"] == pytest.approx(count * _CALL_USD)
    ends = list(line_ends(path.read_bytes()))
    for gone, (_, end) in enumerate(pairwise(ends), 1):
        if gone % 7 == 0 or gone == count:
            folder.keep(path.stem, Position(end, False, Life("a", 1)))
            found = _figures(unshipped)
            assert found["bytes"] == path.stat().st_size - end
            assert found["usd"] == pytest.approx((count - gone) * _CALL_USD, abs=1e-9)
    journal.append(to_record(observe(count, trace=count)))
    assert _figures(unshipped)["usd"] == pytest.approx(_CALL_USD)
    journal.close()


def test_what_is_marked_or_not_there_is_not_left(tmp_path: Path) -> None:
    journal = Journal([tmp_path])
    journal.append(to_record(observe(1)))
    journal.close()
    (one,) = left_in([tmp_path, tmp_path / "none"])
    assert (one.offset, one.bytes) == (0, one.size)
    folder = JournalFolder(tmp_path)
    assert folder.hold()
    folder.keep(one.segment.stem, Position(one.size, True, Life("a", 1)))
    folder.mark(one.segment.stem, one.size, "a")
    assert list(left_in([tmp_path])) == []
    assert _figures(Unshipped(lambda: [tmp_path])) == {"bytes": 0, "seconds": 0, "usd": 0}


def test_segment_that_is_deleted_meanwhile_hides_none_of_its_folder(tmp_path: Path) -> None:
    journals = tmp_path / "journals"
    journal = Journal([journals])
    journal.append(to_record(observe(1)))
    journal.close()
    (there,) = segments(journals)
    (journals / f"0{there.name[1:]}").symlink_to(tmp_path / "none")  # listed, and no file
    gone, same = segments(journals)
    assert (gone.exists(), same) == (False, there)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        (one,) = unbooked(ledger, [journals, tmp_path / "none"])
        assert one == (there, 0, there.stat().st_size)
        with ledger.transaction():
            ledger.cursors.advance(Cursor(str(there), one.size))
        assert list(unbooked(ledger, [journals])) == []
