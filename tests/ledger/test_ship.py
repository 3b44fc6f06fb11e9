"""`ship` in real processes: one writer, ripeness, crashes at random points, segments in any order."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from otel_genai_cost.errors import GenAICostError, LedgerLockedError
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship, writer_lock
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.testing.memory import MemorySink
from tests.ledger.build import START_US, observe


def _journal(folder: Path, spans: range) -> None:
    """Two spans for each call: the client's and a framework's above it."""
    journal = Journal([folder])
    for n in spans:
        inner = observe(
            2 * n, trace=n, above=(2 * n + 1,), start_s=n, end_s=n + 1, tokens=(n + 10, 5)
        )
        outer = observe(
            2 * n + 1, trace=n, start_s=n, end_s=n + 2, tokens=(n + 10, 5), scope="framework"
        )
        journal.append(to_record(inner))
        journal.append(to_record(outer))
    journal.close()


def _expected(spans: range) -> int:
    costs = (observe(2 * n, start_s=n, end_s=n + 1, tokens=(n + 10, 5)).cost.total for n in spans)
    return sum(total for total in costs if total is not None)


def _booked(home: Path) -> list[Entry]:
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    entries = list(ledger.entries)
    ledger.close()
    return entries


def test_two_spans_of_a_call_are_charged_once(tmp_path: Path) -> None:
    _journal(tmp_path / "journal", range(1, 51))
    done = ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert (done.observations, done.settled, done.entries) == (100, 100, 50)
    assert sum(entry.amount for entry in _booked(tmp_path)) == _expected(range(1, 51))
    assert ship(tmp_path, [tmp_path / "journal"], drain=True).entries == 0


def test_observation_is_ripe_ten_seconds_after_its_ingestion(tmp_path: Path) -> None:
    _journal(tmp_path / "journal", range(1, 3))
    now_us = START_US - 1_000_000  # clocks differ: the calls end in this machine's future
    journals = [tmp_path / "journal"]
    assert ship(tmp_path, journals, clock_us=lambda: now_us).entries == 0
    assert ship(tmp_path, journals, clock_us=lambda: now_us + 9_999_999).entries == 0
    assert ship(tmp_path, journals, clock_us=lambda: now_us + 10_000_000).entries == 2


def test_second_writer_is_refused(tmp_path: Path) -> None:
    with writer_lock(tmp_path), pytest.raises(LedgerLockedError, match="another process"):
        ship(tmp_path, [tmp_path / "journal"])


def test_several_folders_feed_one_ledger(tmp_path: Path) -> None:
    _journal(tmp_path / "a", range(1, 4))
    _journal(tmp_path / "b", range(4, 6))
    _journal(tmp_path / "c", range(4, 6))  # a second copy of what is in b
    ship(tmp_path, [tmp_path / name for name in "abc"], drain=True)
    assert sum(entry.calls for entry in _booked(tmp_path)) == 5


def test_damaged_and_missing_lines_are_counted(tmp_path: Path) -> None:
    _journal(tmp_path / "journal", range(1, 11))
    (segment,) = (tmp_path / "journal").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:20] + b"?" + lines[3][21:]
    segment.write_bytes(b"".join(lines))
    done = ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert (done.observations, done.damaged, done.gaps) == (19, 1, 1)


def test_finished_segments_are_retired_only_when_asked(tmp_path: Path) -> None:
    _journal(tmp_path / "journal", range(1, 3))
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 1
    _journal(tmp_path / "journal", range(3, 5))
    ship(tmp_path, [tmp_path / "journal"], drain=True, retire_segments=True)
    assert list((tmp_path / "journal").glob("*.jsonl")) == []  # those of earlier runs too
    assert sum(entry.calls for entry in _booked(tmp_path)) == 4


def test_only_the_ledgers_own_journal_decides_anything(tmp_path: Path) -> None:
    """Whoever can write a journal's line can write one that looks like a decision."""
    _journal(tmp_path / "journal", range(1, 3))
    journal = Journal([tmp_path / "journal"])
    event = {"type": "unlink", "observation_id": f"{2:032x}", "at_us": 1}
    assert journal.append(event)
    journal.close()
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    ledger = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    assert ledger.observations.unlinked() == frozenset()
    ledger.close()
    decide(tmp_path, event)
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    ledger = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    assert ledger.observations.unlinked() == {event["observation_id"]}
    ledger.close()


class _Moody(MemorySink):
    """Fails every other time, after it has stored the entries."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = True

    def append(self, ledger_id: str, entries: object) -> None:
        self.fails = not self.fails
        super().append(ledger_id, entries)  # type: ignore[arg-type]
        if not self.fails:
            raise GenAICostError("the store went away")


def test_sink_that_fails_is_fed_again_and_gets_nothing_twice(tmp_path: Path) -> None:
    sink = _Moody()
    _journal(tmp_path / "journal", range(1, 6))
    first = ship(tmp_path, [tmp_path / "journal"], drain=True, sinks=[sink])
    assert first.sink_errors == 1
    ship(tmp_path, [tmp_path / "journal"], drain=True, sinks=[sink])
    assert [entry.seq for entry in sink.entries] == [1, 2, 3, 4, 5]


class _Broken(MemorySink):
    """A sink of somebody else's, which raises what it likes."""

    def append(self, ledger_id: str, entries: object) -> None:
        raise LookupError("no such table")


def test_sink_may_raise_anything_and_the_others_are_fed(tmp_path: Path) -> None:
    sink = MemorySink()
    _journal(tmp_path / "journal", range(1, 6))
    done = ship(tmp_path, [tmp_path / "journal"], drain=True, sinks=[_Broken(), sink])
    assert (done.entries, done.sink_errors, len(sink.entries)) == (5, 1, 5)


def test_ledger_put_back_from_an_older_copy_refills_the_sink(tmp_path: Path) -> None:
    sink = MemorySink()
    _journal(tmp_path / "journal", range(1, 3))
    ship(tmp_path, [tmp_path / "journal"], drain=True, sinks=[sink])
    copy = (tmp_path / "ledger.sqlite").read_bytes()
    _journal(tmp_path / "journal", range(3, 6))
    ship(tmp_path, [tmp_path / "journal"], drain=True, sinks=[sink])
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    (tmp_path / "ledger.sqlite").write_bytes(copy)
    done = ship(tmp_path, [], drain=True, sinks=[sink])
    assert done.sink_errors == 0
    assert len(sink.entries) == 2


def test_rebuilt_ledger_refills_the_sink(tmp_path: Path) -> None:
    sink = MemorySink()
    _journal(tmp_path / "journal", range(1, 6))
    ship(tmp_path, [tmp_path / "journal"], drain=True, sinks=[sink])
    before = sink.mark()
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    ship(tmp_path, [tmp_path / "journal"], drain=True, sinks=[sink])
    after = sink.mark()
    assert isinstance(before, Mark)
    assert isinstance(after, Mark)
    assert before.ledger_id != after.ledger_id
    assert len(sink.entries) == 5


def test_follow_ends_when_told(tmp_path: Path) -> None:
    stop, journal = threading.Event(), tmp_path / "journal"
    _journal(journal, range(1, 3))
    rounds: list[int] = []

    def end(done: Shipped) -> None:
        rounds.append(done.entries)
        stop.set()

    assert ship(tmp_path, [journal], follow=True, drain=True, stop=stop, on_round=end).entries == 2
    assert rounds == [2]


def test_stop_ends_it_after_the_batch_at_hand_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """Told to stop while it settles the first batch of many, and while it reads."""
    journal, spans = tmp_path / "journal", range(1, 12_001)
    _journal(journal, spans)
    stop, looks = threading.Event(), iter(range(10**9))

    def clock_us(until: int) -> int:
        if next(looks) == until:
            stop.set()
        return START_US

    done = ship(tmp_path, [journal], drain=True, stop=stop, clock_us=lambda: clock_us(0))
    assert 0 < done.observations < 24_000
    assert (done.settled, done.waiting) == (0, done.observations)
    assert done.oldest_us == START_US + 2_000_000
    stop.clear()
    sink = MemorySink()
    rest = ship(tmp_path, [journal], drain=True, sinks=[sink], stop=stop, on_round=lambda _: None)
    assert done.observations + rest.observations == 24_000
    assert (rest.waiting, rest.oldest_us, rest.unfed_entries) == (0, None, 0)
    assert sum(entry.amount for entry in _booked(tmp_path)) == _expected(spans)
    assert sum(entry.amount for entry in sink.entries) == _expected(spans)


def test_what_a_sink_lacks_is_said(tmp_path: Path) -> None:
    class Broken(MemorySink):
        def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
            raise GenAICostError("no")

    _journal(tmp_path / "journal", range(1, 4))
    done = ship(tmp_path, [tmp_path / "journal"], drain=True, sinks=[MemorySink(), Broken()])
    assert (done.unfed, done.unfed_entries) == (1, 3)


_SHIPPER = """
import sys, threading
from pathlib import Path
from otel_genai_cost.ledger.daemon import ship
home = Path(sys.argv[1])
print("on", flush=True)
while True:
    ship(home, [home / "journal"], drain=True)
"""


def test_shipper_killed_at_random_points_books_everything_once(tmp_path: Path) -> None:
    draw, done = random.Random(7), 1
    for _ in range(12):
        more = draw.randrange(20, 60)
        writer = multiprocessing.get_context("spawn").Process(
            target=_journal, args=(tmp_path / "journal", range(done, done + more))
        )
        shipper = subprocess.Popen(
            [sys.executable, "-c", _SHIPPER, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        writer.start()
        assert shipper.stdout is not None
        shipper.stdout.readline()
        writer.join(draw.uniform(0.0, 0.4))
        os.kill(shipper.pid, signal.SIGKILL)
        shipper.wait()
        shipper.stdout.close()
        writer.join()
        done += more
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    entries = _booked(tmp_path)
    assert sum(entry.calls for entry in entries) == done - 1
    assert sum(entry.amount for entry in entries) == _expected(range(1, done))
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
