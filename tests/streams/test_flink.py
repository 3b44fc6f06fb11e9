"""The settlement job and what people decide. What it settles is in `faults/scale_flink.py`."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import unlink
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import rerate
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.streaming.cloud_event import Unlink
from otel_genai_cost.streaming.partition import PARTITIONS, PartitionBy
from tests.demo.processes import ROOT, wait_until
from tests.ledger.build import SECOND_US
from tests.ledger.journalled import no_other_book
from tests.queues.brokers import Brokers
from tests.streaming.terms import half_price, other_book
from tests.streams.booked import settled_by_second
from tests.streams.flink import Cluster, flink_cluster
from tests.streams.settled import (
    Topics,
    digest,
    end,
    read_entries,
    send,
    send_unlinks,
    submit,
    topics,
)
from tests.streams.worlds import stream_of

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

_JOB: Final = ROOT / "stream-config" / "flink"

_CELLS: Final = 8
_OBSERVATIONS: Final = 600
_LATER_US: Final = 7_200 * SECOND_US
_LOOK_EVERY_S: Final = 600
_WITHIN_S: Final = 240


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with flink_cluster(tmp_path_factory.mktemp("flink"), 1) as found:
        yield found


@pytest.mark.parametrize("by", PARTITIONS)
def test_what_people_decide_reaches_keys_of_which_nothing_comes_any_more(
    cluster: Cluster, servers: Brokers, tmp_path: Path, by: PartitionBy
) -> None:
    """The job goes on from a savepoint with other contracts and a further book, and observations are unlinked: its
    entries are those of a ledger to which the same happens."""
    first, rest = _in_two(by)
    book = other_book(tmp_path)
    wanted = _by_ledger(tmp_path, first, rest, book)
    to = topics(servers.address("kafka", tmp_path), f"terms-{by}")
    job = submit(cluster, to, by, tmp_path, look_every_s=_LOOK_EVERY_S)
    send(to, first, by)
    end(to, first[-1].end_us)
    assert _said(_read(to, len(wanted.before))) == _said(wanted.before)
    options = ("-s", cluster.stop(job))
    (tmp_path / "book.json").write_bytes(book.lock)
    (tmp_path / "contracts.json").write_bytes(half_price().document)
    terms = {"rate_by": str(tmp_path / "book.json"), "contracts": str(tmp_path / "contracts.json")}
    job = submit(cluster, to, by, tmp_path, options, look_every_s=_LOOK_EVERY_S, **terms)
    wait_until(lambda: cluster.state(job) == "RUNNING", "the job to run", _WITHIN_S)
    send(to, rest, by)
    end(to, rest[-1].end_us)
    assert _said(_read(to, len(wanted.rated))) == _said(wanted.rated)
    send_unlinks(to, wanted.unlinks, by)
    end(to, wanted.unlinks[0].at_us)
    assert _said(_read(to, len(wanted.unlinked))) == _said(wanted.unlinked)
    cluster.cancel(job)


def _in_two(by: PartitionBy) -> tuple[list[Observation], list[Observation]]:
    """Observations, and what comes two hours later: of half of the cells."""
    every = list(stream_of(_OBSERVATIONS, _CELLS, across_traces=by == "cell").observations)
    at = len(every) // 2
    talking = {f"cell-{n}" for n in range(0, _CELLS, 2)}
    rest = [
        one._replace(start_us=one.start_us + _LATER_US, end_us=one.end_us + _LATER_US)
        for one in every[at:]
        if one.origin.cell in talking
    ]
    assert {one.origin.cell for one in every[:at]} > talking
    return every[:at], rest


class _Course(NamedTuple):
    """A ledger's entries before it is rated again, after that and what came then, and with what is unlinked at last."""

    before: list[Entry]
    rated: list[Entry]
    unlinks: list[Unlink]
    unlinked: list[Entry]


def _by_ledger(
    home: Path, first: list[Observation], rest: list[Observation], book: Book
) -> _Course:
    with closing(Ledger(home / "ledger.sqlite")) as ledger:
        settled_by_second(ledger, first, no_other_book)
        before = list(ledger.entries)
        books, now_us = Books([home / "journal"]), first[-1].end_us
        again = list(rerate(ledger, book, books, now_us=now_us, contracts=half_price()))
        assert len(again) > len(before) // 2
        settled_by_second(ledger, rest, books.rate_again)
        rated = list(ledger.entries)
        unlinks = _unlinks(ledger, [*first, *rest], rest[-1].end_us + _LATER_US)
        for one in unlinks:
            unlink(ledger, one.observation_id, one.at_us, books.rate_again)
        unlinked = list(ledger.entries)
        assert len(unlinked) >= len(rated) + len(unlinks)
        return _Course(before, rated, unlinks, unlinked)


def _unlinks(ledger: Ledger, observations: list[Observation], at_us: int) -> list[Unlink]:
    """In each cell the last that is no charge of its own."""
    joined = {
        one.origin.cell: one
        for one in observations
        for row in ledger.observations.settled_copies(one.id)
        if row.charge_id not in (None, one.id)
    }
    assert len(joined) == _CELLS
    return [Unlink(one.id, one.trace_id, cell, at_us) for cell, one in joined.items()]


def _read(to: Topics, count: int) -> list[Entry]:
    """So many entries, and whatever came with them."""
    until_s = time.monotonic() + _WITHIN_S

    def is_over(come: int) -> bool:
        assert time.monotonic() < until_s, f"{come} of {count} entries came"
        return come >= count

    return list(read_entries(to, is_over))


def _said(entries: Iterable[Entry]) -> dict[str, bytes]:
    """What each says, by its id."""
    found: dict[str, bytes] = {}
    for one in entries:
        assert one.id not in found
        found[one.id] = digest(one)
    return found
