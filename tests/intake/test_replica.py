"""A segment elsewhere is a segment here: its bytes, once, at their place, whatever happens on the way."""

from __future__ import annotations

import errno
import random
import threading
from itertools import pairwise
from pathlib import Path
from shutil import rmtree

import pytest

from otel_genai_cost.forwarding.wire import BookFile, Lines, Refusal
from otel_genai_cost.intake.commits import kept_mark
from otel_genai_cost.intake.disk import Disk
from otel_genai_cost.intake.replica import RefusedError, Replica, is_sender_name
from otel_genai_cost.journal.books import stored_book
from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.ingested import mark
from otel_genai_cost.journal.open_segment import frame
from otel_genai_cost.journal.reader import LINE_LIMIT_BYTES, is_finished, read, segments
from otel_genai_cost.journal.receiving import mark_place, with_senders
from otel_genai_cost.pricing.load import load_book
from tests.intake.sent import NAME, begun, line_ends, put, refused, written


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return written(tmp_path / "there")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "here"


class _Unsynced(Disk):
    """A disk that says that all is well."""

    def sync(self, path: Path) -> None:
        pass


def _segment(journal: Path) -> Path:
    return journal / "shop" / f"{NAME}.jsonl"


def test_what_comes_is_a_prefix_and_in_the_end_the_whole(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    start = 0
    for end in line_ends(content):
        put(replica, Lines(NAME, start, content[start:end]))
        assert _segment(journal).read_bytes() == content[:end]
        assert not is_finished(_segment(journal))
        start = end
    put(replica, Lines(NAME, start, b"", finished=True))
    assert is_finished(_segment(journal))
    assert with_senders([journal]) == (journal, journal / "shop")
    assert read(_segment(journal), finished=True).sealed == 20


def test_any_stretches_in_any_order_come_to_the_same(journal: Path, content: bytes) -> None:
    draw, ends = random.Random(3), [0, *line_ends(content)]
    for n in range(30):
        replica, _ = begun(journal / str(n), _Unsynced())
        segment = journal / str(n) / "shop" / f"{NAME}.jsonl"
        while not segment.exists() or not is_finished(segment):
            start, end = sorted(draw.sample(ends, 2))
            lines = Lines(NAME, start, content[start:end], finished=end == len(content))
            refusal = refused(replica, lines)
            have = segment.stat().st_size if segment.exists() else 0
            if refusal is not None:
                assert (refusal.reason, refusal.metadata["have"]) == ("HOLE", str(have))
                assert start > have
            assert content.startswith(segment.read_bytes() if have else b"")
        assert segment.read_bytes() == content


def test_what_comes_again_changes_nothing(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    whole = Lines(NAME, 0, content, finished=True)
    for _ in range(3):
        put(replica, whole)
    half = content[: list(line_ends(content))[5]]
    put(replica, Lines(NAME, 0, half))
    assert _segment(journal).read_bytes() == content and is_finished(_segment(journal))
    assert replica.taken_bytes == len(content)


@pytest.mark.parametrize("is_over", [False, True])
def test_other_bytes_are_refused_and_nothing_is_written_over(
    journal: Path, content: bytes, is_over: bool
) -> None:
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, content, finished=is_over))
    other = content.replace(b'"n":7', b'"n":8')
    assert len(other) == len(content) and other != content
    found = refused(replica, Lines(NAME, 0, other, finished=is_over))
    assert found is not None and found.reason == "DIFFERENT"
    assert _segment(journal).read_bytes() == content


def test_nothing_follows_what_is_finished(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, content, finished=True))
    more = frame(b'{"n":1}')
    found = refused(replica, Lines(NAME, len(content), more))
    assert found is not None and found.reason == "DIFFERENT" and "finished" in found.message
    end = list(line_ends(content))[3]
    put(replica, Lines(NAME, 0, content[:end], finished=True))  # its sender's power failed
    assert _segment(journal).read_bytes() == content


def test_a_sender_that_lost_its_end_finishes_what_came(journal: Path, content: bytes) -> None:
    """At every byte, whether its file ends there or has rubbish from there on: what came stays, whole and finished."""
    ends = list(line_ends(content))
    size = ends[len(ends) // 2]
    for at in range(0, size, 7):
        for rest in (b"", bytes(size - at), b"\n" * 40, bytes(len(content) - at)):
            replica, _ = begun(journal)
            put(replica, Lines(NAME, 0, content[:size]))
            assert not is_finished(_segment(journal))
            put(replica, Lines(NAME, 0, content[:at] + rest, finished=True))
            found = _segment(journal).read_bytes()
            assert found.startswith(content[:size]) and is_finished(_segment(journal))
            assert not found[size:].strip(b"\n\0")
            rmtree(journal)


def test_a_sender_that_has_another_whole_line_is_still_refused(
    journal: Path, content: bytes
) -> None:
    """Also behind rubbish: it is of another history, and somebody has to look."""
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, content))
    end = list(line_ends(content))[2]
    other = frame(b'{"n":"another"}')
    for middle in (b"", b"\0" * 9 + b"\n"):
        found = refused(replica, Lines(NAME, 0, content[:end] + middle + other, finished=True))
        assert found is not None and found.reason == "DIFFERENT"
    assert _segment(journal).read_bytes() == content and not is_finished(_segment(journal))


def test_damage_that_ends_is_no_power_cut(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    first, second, size = list(line_ends(content))[1:4]
    put(replica, Lines(NAME, 0, content[:size]))
    sent = content[:first] + bytes(second - first) + content[second:]
    found = refused(replica, Lines(NAME, 0, sent, finished=True))
    assert found is not None and found.reason == "DIFFERENT"
    assert _segment(journal).read_bytes() == content[:size]


def test_the_last_bytes_may_be_torn_and_no_others(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    found = refused(replica, Lines(NAME, 0, content[:-3]))
    assert found is not None and found.reason == "MALFORMED"
    assert not _segment(journal).exists()
    put(replica, Lines(NAME, 0, content[:-3], finished=True))
    assert _segment(journal).read_bytes() == content[:-3]


def test_a_segment_is_its_first_senders(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, content))
    found = refused(replica, Lines(NAME, 0, content), sender="rogue")
    assert found is not None and found.reason == "FORBIDDEN"
    assert with_senders([journal]) == (journal, journal / "shop")


def test_what_made_room_is_not_taken_again(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, content, finished=True))
    mark(_segment(journal), len(content), "a ledger")
    _segment(journal).unlink()
    put(replica, Lines(NAME, 0, content, finished=True))
    assert not _segment(journal).exists()
    found = refused(replica, Lines(NAME, len(content), frame(b'{"n":1}')))
    assert found is not None and found.reason == "DIFFERENT"


def test_room_is_made_of_what_has_gone_on_and_else_there_is_none(
    journal: Path, content: bytes
) -> None:
    bound = Bound(limit_bytes=40 * len(content))
    replica, _ = begun(journal, bound=bound)
    names = [f"{n:016d}-aa" for n in range(200)]
    taken = [
        one for one in names if refused(replica, Lines(one, 0, content, finished=True)) is None
    ]
    assert 20 < len(taken) <= 40
    full = refused(replica, Lines(names[-1], 0, content))
    assert full is not None and full.reason == "FULL"
    for path in segments(journal / "shop"):
        mark(path, path.stat().st_size, "a ledger")
    put(replica, Lines(names[-1], 0, content))
    held = sum(path.stat().st_size for path in segments(journal / "shop"))
    assert held <= bound.limit_bytes


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", ".hidden", "receiving", "ingested", "books"]
)
def test_no_sender_has_a_name_that_is_a_path(name: str) -> None:
    assert not is_sender_name(name)


def test_a_line_that_was_damaged_there_stays_as_it_is(journal: Path, content: bytes) -> None:
    """It is not taken for what a power cut left, neither now nor at the next start."""
    ends = list(line_ends(content))
    damaged = content.replace(b'"n":3', b'"n":9', 1)
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, damaged[: ends[10]]))
    replica, cut = begun(journal)
    assert not cut
    put(replica, Lines(NAME, ends[10], damaged[ends[10] :], finished=True))
    assert _segment(journal).read_bytes() == damaged


def test_a_stretch_without_an_end_that_no_line_has_is_damage(journal: Path, content: bytes) -> None:
    ends = list(line_ends(content))
    zeros = b"\0" * (LINE_LIMIT_BYTES + 1)
    whole = content[: ends[3]] + zeros * 2 + b"\n" + content[ends[3] :]
    replica, _ = begun(journal)
    at = ends[3] + len(zeros)
    for start, end in pairwise([0, ends[3], at, len(whole)]):
        put(replica, Lines(NAME, start, whole[start:end]))
        replica, cut = begun(journal)
        assert not cut
    put(replica, Lines(NAME, len(whole), b"", finished=True))
    assert _segment(journal).read_bytes() == whole and is_finished(_segment(journal))


def test_a_mark_that_is_newer_than_its_segment(journal: Path, content: bytes) -> None:
    ends = list(line_ends(content))
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, content[: ends[5]]))
    mark_place(_segment(journal)).write_bytes(kept_mark(len(content)))
    again, cut = begun(journal)
    assert not cut
    put(again, Lines(NAME, ends[5], content[ends[5] : ends[8]]))
    _segment(journal).write_bytes(content[: ends[7]] + b"\0" * (ends[8] - ends[7]))
    again, cut = begun(journal)
    assert [one.after for one in cut] == [ends[7]]
    put(again, Lines(NAME, ends[7], content[ends[7] :], finished=True))
    assert _segment(journal).read_bytes() == content


def test_a_power_cut_at_every_byte(journal: Path, content: bytes) -> None:
    """What was not acknowledged comes to the disk as far as it likes, with anything behind it."""
    ends = list(line_ends(content))
    acknowledged = ends[4]
    for at in range(acknowledged, len(content) + 1):
        for rest in (b"", b"\0" * 30, b"garbage\n"):
            folder = journal / f"{at}-{len(rest)}"
            replica, _ = begun(folder, _Unsynced())
            put(replica, Lines(NAME, 0, content[:acknowledged]))
            segment = folder / "shop" / f"{NAME}.jsonl"
            segment.write_bytes(content[:at] + rest)
            again, cut = begun(folder, _Unsynced())
            have = segment.stat().st_size
            assert have == max(one for one in ends if one <= at)
            assert [one.after for one in cut] == ([have] if have < at + len(rest) else [])
            assert not is_finished(segment)
            put(again, Lines(NAME, acknowledged, content[acknowledged:], finished=True))
            assert segment.read_bytes() == content and is_finished(segment)


def test_a_power_cut_before_a_first_byte(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, content))
    _segment(journal).unlink()
    again, _ = begun(journal)
    assert not mark_place(_segment(journal)).exists() and again.open_segments() == 0
    put(again, Lines(NAME, 0, content, finished=True))
    assert _segment(journal).read_bytes() == content


def test_a_volume_that_is_older_than_what_was_acknowledged(journal: Path, content: bytes) -> None:
    ends = list(line_ends(content))
    replica, _ = begun(journal)
    put(replica, Lines(NAME, 0, content[: ends[5]]))
    old = _segment(journal).read_bytes()
    put(replica, Lines(NAME, ends[5], content[ends[5] : ends[12]]))
    _segment(journal).write_bytes(old)
    again, _ = begun(journal)
    hole = refused(again, Lines(NAME, ends[12], content[ends[12] :], finished=True))
    assert hole is not None
    assert (hole.reason, hole.metadata) == ("HOLE", {"segment": NAME, "have": str(ends[5])})
    put(again, Lines(NAME, ends[5], content[ends[5] :], finished=True))
    assert _segment(journal).read_bytes() == content


class _Failing(Disk):
    """A disk of which some calls fail."""

    def __init__(self) -> None:
        self.fails: dict[str, int] = {}

    def _maybe(self, name: str, path: Path) -> None:
        if path.suffix == ".jsonl" and self.fails.get(name, 0):
            self.fails[name] -= 1
            raise OSError(errno.ENOSPC, "No space left on device")

    def append(self, path: Path, offset: int, content: bytes) -> None:
        if self.fails.get("append", 0):
            super().append(path, offset, content[: len(content) // 2])
            self.truncate(path, offset)
        self._maybe("append", path)
        super().append(path, offset, content)

    def sync(self, path: Path) -> None:
        self._maybe("sync", path)
        super().sync(path)


@pytest.mark.parametrize("call", ["append", "sync"])
def test_what_cannot_be_written_is_refused_and_comes_again(
    journal: Path, content: bytes, call: str
) -> None:
    disk, ends = _Failing(), list(line_ends(content))
    replica, _ = begun(journal, disk)
    put(replica, Lines(NAME, 0, content[: ends[5]]))
    for start, end in pairwise(ends[5:]):
        disk.fails[call] = 1
        lines = Lines(NAME, start, content[start:end], finished=end == len(content))
        found = refused(replica, lines)
        assert found is not None and found.reason == "FULL"
        assert _segment(journal).read_bytes() == content[:start]
        assert not is_finished(_segment(journal))
        put(replica, lines)
    assert _segment(journal).read_bytes() == content and is_finished(_segment(journal))


def test_a_reserve_of_the_disk_is_left_to_the_ledger(journal: Path, content: bytes) -> None:
    replica = Replica(journal, Disk(), reserve_bytes=1 << 60)
    list(replica.begin())
    assert replica.why_full() == "the disk is full"
    with pytest.raises(RefusedError, match="disk is full"):
        replica.take("shop", Lines(NAME, 0, content))


def test_many_at_once_share_rounds(journal: Path, content: bytes) -> None:
    replica, _ = begun(journal)
    ends, failed = [0, *line_ends(content)], list[Refusal]()

    def send(sender: str) -> None:
        for start, end in pairwise(ends):
            lines = Lines(f"{NAME}{sender}", start, content[start:end], finished=end == ends[-1])
            if (found := refused(replica, lines, sender)) is not None:
                failed.append(found)

    threads = [threading.Thread(target=send, args=(f"s{n}",)) for n in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failed
    for n in range(16):
        segment = journal / f"s{n}" / f"{NAME}s{n}.jsonl"
        assert segment.read_bytes() == content and is_finished(segment)
    assert replica.commits.rounds < 16 * (len(ends) - 1)


def test_a_clock_of_next_year_and_a_newer_format_are_refused_until_that_is_mended(
    journal: Path, content: bytes
) -> None:
    replica, _ = begun(journal)
    ahead = frame(b'{"seq":1,"start_us":%d}' % (replica._clock_us() + 366 * 86_400_000_000))
    found = refused(replica, Lines(NAME, 0, ahead))
    assert found is not None and found.reason == "CLOCK" and "365 day" in found.message
    newer = frame(b'{"type":"header","format":2}')
    found = refused(replica, Lines(NAME, 0, newer))
    assert found is not None and found.reason == "NEWER" and "upgrade" in found.message
    assert not _segment(journal).exists()


def test_a_book_is_one_or_is_refused(journal: Path) -> None:
    replica, _ = begun(journal)
    book = load_book()
    replica.keep("shop", BookFile(book.digest, book.lock))
    replica.keep("shop", BookFile(book.digest, book.lock))
    assert stored_book(journal / "shop", book.digest) == book.lock
    with pytest.raises(RefusedError, match="no price book"):
        replica.keep("shop", BookFile("0" * 64, b"{}"))
    assert stored_book(journal / "shop", "0" * 64) is None
