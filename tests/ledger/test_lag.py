"""How far the books are behind: for how long what has come waits, also where reading goes on and more comes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.lag import Lag
from otel_genai_cost.ledger.storage.store import Ledger

_S = 1_000_000
_BEGIN_S = 1_795_000_000


class Books:
    """A segment that is written and read by hand, and what the lag is said to be."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.now_s = _BEGIN_S
        self._path = folder / "journal" / "00000000000000000001-1.jsonl"
        self._path.parent.mkdir()
        self._ledger, self._size = ledger, 0
        self.begin()

    def begin(self) -> None:
        """A process that has seen nothing yet."""
        self._lag = Lag([self._path.parent], lambda: self.now_s * _S)

    def write(self, size: int, *, clock_s: int = 0) -> None:
        """By a clock that is so far from ours."""
        self._size += size
        self._path.write_bytes(b"x" * self._size)
        os.utime(self._path, (self.now_s + clock_s, self.now_s + clock_s))

    def read(self, offset: int, *, finished: bool = False) -> None:
        cursor = self._ledger.cursors.of(str(self._path))
        with self._ledger.transaction():
            self._ledger.cursors.advance(cursor._replace(byte_offset=offset, finished=finished))

    def lag_s(self, later_s: int = 0) -> int:
        self.now_s += later_s
        self._lag._next_s = 0.0
        self._lag.look(self._ledger)
        return self._lag.now_us // _S


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    ledger = Ledger(tmp_path / LEDGER_FILE)
    yield Books(tmp_path, ledger)
    ledger.close()


def test_what_nobody_reads_waits_since_it_came(books: Books) -> None:
    assert books.lag_s() == 0
    books.write(100)
    assert books.lag_s() == 0
    assert books.lag_s(50) == 50
    books.read(100)
    assert books.lag_s(50) == 0
    books.write(100)
    assert books.lag_s(7) == 7


def test_a_shipper_that_never_catches_up_is_behind(books: Books) -> None:
    """More comes than is booked: the oldest of what waits has waited for longer and longer."""
    lags: list[int] = []
    for n in range(1, 400):
        books.write(100)
        books.read(50 * n)
        lags.append(books.lag_s(5))
    assert lags[10] >= 20 and lags[-1] >= 800
    assert lags[-1] <= 1_000, "what was read does not wait"
    books.read(39_900)
    assert books.lag_s(5) == 0


def test_a_process_that_has_just_begun_knows_how_long_a_segment_waits(books: Books) -> None:
    books.write(100)
    books.now_s += 3_600
    books.begin()
    assert books.lag_s() == 3_600


@pytest.mark.parametrize("clock_s", [-600, 600])
def test_a_folder_whose_clock_is_another_one_is_not_behind_by_that(
    clock_s: int, books: Books
) -> None:
    """It was looked at a moment ago, and all was read."""
    assert books.lag_s() == 0
    books.now_s += 5
    books.write(100, clock_s=clock_s)
    assert books.lag_s() <= 5
    assert books.lag_s(20) in (20, 25)


def test_a_segment_of_which_nothing_can_follow_keeps_nobody_waiting(books: Books) -> None:
    books.write(100)
    books.read(90, finished=True)
    assert books.lag_s(1_000) == 0
