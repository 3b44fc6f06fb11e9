"""What observations share is written once, never referred to before, and put together again to the byte."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.kinds import Kind, Own
from otel_genai_cost.journal.observation import Observation, to_record
from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.journal.repair import inspect
from otel_genai_cost.journal.segment import Journal, frame
from otel_genai_cost.pricing.money import format_money
from tests.ledger.build import observe, tenant


def _own(kind: Kind, one: Observation) -> Own:
    path = tuple(int(ancestor, 16) for ancestor in one.path)
    rest = kind.rest(one.attribution, path, one.sampled, one.duplicate_of)
    return Own(
        one.trace_id + one.span_id,
        one.start_us,
        one.end_us,
        one.reading.response_id,
        tuple(one.reading.usage.leaves.values()),
        format_money(one.cost.total or 0),
        rest,
    )


def _told(folder: Path) -> list[bytes]:
    found: list[bytes] = []
    for segment in segments(folder):
        batch = read(segment, finished=True)
        assert batch.damage == []
        for record in batch.records:
            del record["seq"]
            found.append(encode(record))
    return found


def _whole(*observations: Observation) -> list[bytes]:
    return [encode(to_record(one)) for one in observations]


def _calls(count: int, **fields: Any) -> list[Observation]:
    return [observe(n + 1, trace=n, tokens=(1_000 + n, 50), **fields) for n in range(count)]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.fixed_dictionaries(
            {
                "tokens": st.tuples(st.integers(20, 10**9), st.integers(20, 10**9)),
                "parts": st.just({"reasoning": 20, "cache_read": 7}),
                "response_id": st.none() | st.text(),
                "above": st.lists(st.integers(1, 2**64 - 1), max_size=3).map(tuple),
                "attribution": st.sampled_from(
                    [tenant(None), tenant("acme"), tenant("acme", plan="gold"), tenant("globex")]
                ),
            }
        ),
        min_size=1,
        max_size=6,
    ),
    sampled=st.booleans(),
    duplicate_of=st.none() | st.just("f" * 32),
)
def test_both_parts_are_the_whole_record(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[dict[str, Any]],
    sampled: bool,
    duplicate_of: str | None,
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    observations = [
        observe(n + 1, **fields)._replace(sampled=sampled, duplicate_of=duplicate_of)
        for n, fields in enumerate(changes)
    ]
    kind, journal = Kind(observations[0]), Journal([folder])
    for one in observations:
        journal.append(_own(kind, one), kind)
    journal.close()
    assert _told(folder) == _whole(*observations)


def test_a_kind_is_written_once_a_segment_and_counts_as_no_record(tmp_path: Path) -> None:
    calls = _calls(30)
    kind, journal = Kind(calls[0]), Journal([tmp_path], segment_limit_bytes=4_000)
    for one in calls:
        journal.append(_own(kind, one), kind)
    journal.append({"n": 1})
    journal.close()
    paths = segments(tmp_path)
    assert len(paths) > 1
    assert [path.read_bytes().count(b'"type":"kind"') for path in paths[:-1]] == [1] * (
        len(paths) - 1
    )
    states = inspect(tmp_path)
    assert [(state.gaps, state.damage) for state in states] == [(0, ())] * len(paths)
    assert sum(state.records for state in states) == 31


def test_a_reader_may_begin_anywhere(tmp_path: Path) -> None:
    calls = _calls(5)
    kinds, journal = [Kind(one) for one in calls[:2]], Journal([tmp_path])
    journal.open()
    [path] = segments(tmp_path)
    for n, one in enumerate(calls):
        kind = kinds[n % 2]
        offset = path.stat().st_size
        journal.append(_own(kind, one), kind)
        for batch in (read(path, offset), read(path, offset, kinds=read(path).kinds)):
            assert batch.damage == []
            assert [record["id"] for record in batch.records] == [one.id]


def test_a_kind_behind_a_short_write_is_found_again(tmp_path: Path) -> None:
    one, other = _calls(2)
    kind = Kind(one)
    path = tmp_path / "s.jsonl"
    torn = frame(encode({"seq": 1, "n": 1}))[:20]
    shared = frame(b'{"type":"kind","kind":2,' + kind.shared[1:])
    lines = [
        frame(encode({"seq": seq, "kind": 2, "own": _own(kind, told)}))
        for seq, told in ((2, one), (3, other))
    ]
    path.write_bytes(torn + shared + b"".join(lines))
    offset = len(torn) + len(shared) + len(lines[0])
    assert [record["id"] for record in read(path).records] == [one.id, other.id]
    assert [record["id"] for record in read(path, offset).records] == [other.id]


def test_a_damaged_kind_is_told_and_hides_no_other_record(tmp_path: Path) -> None:
    calls = _calls(3)
    kind, journal = Kind(calls[0]), Journal([tmp_path])
    for one in calls[:2]:
        journal.append(_own(kind, one), kind)
    journal.append(to_record(calls[2]))
    journal.close()
    [path] = segments(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"provider":"openai"', b'"provider":"0penai"', 1))
    batch = read(path, finished=True)
    assert [record["id"] for record in batch.records] == [calls[2].id]
    assert [damage.reason.split()[0] for damage in batch.damage] == ["checksum", "what", "what"]


@pytest.mark.parametrize(
    "own",
    [
        None,
        5,
        [],
        {},
        ["a"] * 9,
        ["i", "t", "s", 1, 2, None, [1], "1", None],
        ["i", "t", "s", 1, 2, None, ["x", "y"], "1", None],
        ["i", "t", "s", 1, 2, None, None, "1", None],
        ["i", "t", "s", 1, 2, None, [1, 2], "1", 7],
    ],
)
def test_what_does_not_fit_its_kind_is_damage(tmp_path: Path, own: object) -> None:
    kind = Kind(observe(1))
    path = tmp_path / "s.jsonl"
    shared = frame(b'{"type":"kind","kind":1,' + kind.shared[1:])
    broken = frame(encode({"seq": 1, "kind": 1, "own": own}))
    path.write_bytes(shared + broken + frame(encode({"seq": 2, "n": 2})))
    batch = read(path, finished=True)
    assert [record["seq"] for record in batch.records] == [2]
    assert len(batch.damage) == 1


@pytest.mark.parametrize("shared", [{}, {"usage": 5}, {"usage": {"leaves": 5}, "cost": None}])
@pytest.mark.parametrize("number", [1, [1], None, "1"])
def test_a_kind_that_is_none_is_damage(tmp_path: Path, shared: Any, number: object) -> None:
    path = tmp_path / "s.jsonl"
    own = _own(Kind(observe(1)), observe(1))
    lines = [{"type": "kind", "kind": number, **shared}, {"seq": 1, "kind": 1, "own": own}]
    path.write_bytes(b"".join(frame(encode(line)) for line in lines))
    batch = read(path, finished=True)
    assert (batch.records, len(batch.damage)) == ([], 1)


class _Short(OsFiles):
    """Files of which one write ends early."""

    def __init__(self, keep: Callable[[bytes], int]) -> None:
        self.keep: Callable[[bytes], int] | None = keep

    def write(self, descriptor: int, line: Any) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        if b'"own":' in line and self.keep is not None:
            kept, self.keep = self.keep(line), None
            return os.write(descriptor, line[:kept])
        return os.write(descriptor, line)


@pytest.mark.parametrize("where", ["in the kind", "behind the kind", "in the observation"])
def test_a_short_write_loses_neither_part(tmp_path: Path, where: str) -> None:
    def keep(line: bytes) -> int:
        ends = line.index(b"\n") + 1
        return {"in the kind": 30, "behind the kind": ends, "in the observation": ends + 30}[where]

    calls = _calls(3)
    kind, journal = Kind(calls[0]), Journal([tmp_path], files=_Short(keep))
    journal.open()
    assert all([journal.append(_own(kind, one), kind) for one in calls])
    journal.close()
    ids = [record["id"] for path in segments(tmp_path) for record in read(path).records]
    assert ids == [one.id for one in calls]


def test_what_waits_in_memory_is_whole_later(tmp_path: Path) -> None:
    calls, blocked = _calls(3), tmp_path / "journal"
    blocked.touch()
    kind, journal = Kind(calls[0]), Journal([blocked])
    assert not any([journal.append(_own(kind, one), kind) for one in calls])
    blocked.unlink()
    assert journal.retry()
    journal.close()
    assert _told(blocked) == _whole(*calls)


def test_threads_refer_to_nothing_that_is_not_written(tmp_path: Path) -> None:
    examples = _calls(8)
    kinds, journal = [Kind(one) for one in examples], Journal([tmp_path], segment_limit_bytes=9_000)

    def write(thread: int) -> None:
        for n in range(200):
            kind = kinds[(n + thread) % len(kinds)]
            one = observe(n + 1, trace=thread, tokens=(500 + n, 5))
            journal.append(_own(kind, one), kind)

    threads = [threading.Thread(target=write, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert len(set(_told(tmp_path))) == 800


def test_more_kinds_than_are_known_are_written_again(tmp_path: Path) -> None:
    calls = _calls(3)
    kinds, journal = [Kind(calls[0]) for _ in range(1_500)], Journal([tmp_path])
    for kind in [*kinds, *kinds]:
        journal.append(_own(kind, calls[0]), kind)
    journal.close()
    assert _told(tmp_path) == _whole(calls[0]) * 3_000


def test_records_that_waited_in_memory_share_their_kind_too(tmp_path: Path) -> None:
    class Full(OsFiles):
        full = True

        def create(self, path: Path) -> int:
            if self.full:
                raise OSError("no space left")
            return super().create(path)

    files, calls = Full(), _calls(50)
    journal, kind = Journal([tmp_path], files=files), Kind(calls[0])
    for one in calls:
        journal.append(_own(kind, one), kind)
    files.full = False
    assert journal.retry()
    journal.close()
    assert _told(tmp_path) == _whole(*calls)
    [segment] = segments(tmp_path)
    assert segment.read_bytes().count(b'"type":"kind"') == 1
