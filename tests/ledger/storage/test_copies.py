"""Copies of one span that differ: found by their id at any age, when their time has come, if they can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.charge import explain
from otel_genai_cost.ledger.posting.run import EVIDENCE_US, settle_waiting, unlink
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Cost
from tests.ledger.build import START_US, observe, tenant

_NOW_US = START_US + 100_000_000
_LATER_US = 50_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.sqlite")) as found:
        yield found


def _no_other_book(observation: Observation, digest: str) -> Cost | None:
    return None


def _ingest(ledger: Ledger, record: dict[str, Any], *, ripe_after_us: int = 0) -> None:
    with ledger.transaction():
        ledger.ingest([record], _NOW_US, ripe_after_us)


def _settle(ledger: Ledger, ripe_us: int = 1 << 62) -> None:
    with ledger.transaction():
        while settle_waiting(ledger, ripe_us, _NOW_US, _no_other_book).waiting:
            pass


def _calls(ledger: Ledger) -> int:
    return sum(entry.calls for entry in ledger.entries)


@pytest.mark.parametrize("body", [{"usage": 7}, {"trace_id": "odd"}, {"scope": None}])
def test_copy_that_cannot_be_read_stays_out_for_ever(
    ledger: Ledger, body: dict[str, object]
) -> None:
    first = to_record(observe(1))
    for record in (
        first,
        {**first, **body},
        to_record(observe(1, attribution=tenant("acme", plan="pro"))),
    ):
        _ingest(ledger, dict(record))
        _settle(ledger)
    assert _calls(ledger) == 1


@pytest.mark.parametrize("body", [{"usage": 7}, {"scope": None}])
def test_trace_whose_evidence_is_forgotten_may_have_a_row_that_cannot_be_read(
    ledger: Ledger, body: dict[str, object]
) -> None:
    for record in (to_record(observe(1)), {**to_record(observe(2)), **body}):
        _ingest(ledger, record)
        _settle(ledger)
    with ledger.transaction():
        ledger.candidates.prune(1 << 62, 0)
    _ingest(ledger, to_record(observe(1, attribution=tenant("acme", plan="pro"))))
    _settle(ledger)
    assert _calls(ledger) == 1


def test_copy_that_waits_puts_its_evidence_on_file_when_its_time_has_come(ledger: Ledger) -> None:
    _ingest(ledger, to_record(observe(1)))
    _ingest(ledger, to_record(observe(1, response_id="r1")), ripe_after_us=_LATER_US)
    _settle(ledger, START_US + _LATER_US // 2)
    assert ledger.observations.unsettled()[0] == 1
    _settle(ledger)
    seen_elsewhere = observe(2, trace=2, response_id="r1", scope="gateway", process="p2")
    _ingest(ledger, to_record(seen_elsewhere))
    _settle(ledger)
    assert _calls(ledger) == 1


def test_copy_is_found_when_evidence_is_forgotten(ledger: Ledger) -> None:
    _ingest(ledger, to_record(observe(1)))
    _settle(ledger)
    with ledger.transaction():
        assert ledger.candidates.prune(_NOW_US + EVIDENCE_US, 1 << 62) > 0
    _ingest(ledger, to_record(observe(1, attribution=tenant("acme", plan="pro"))))
    _settle(ledger)
    assert _calls(ledger) == 1
    assert {one.rule for one in ledger.observations.members_of(observe(1).id)} == {None, 0}


@pytest.mark.parametrize(
    "body", [{}, {"usage": 7}, {"scope": None}, {"usage": {"input": -5_000}}, {"start_us": -5}]
)
def test_what_waits_is_not_settled_with_its_trace(ledger: Ledger, body: dict[str, object]) -> None:
    """A trace whose evidence is forgotten comes whole, but for a row that nobody has looked into yet."""
    _ingest(ledger, to_record(observe(1)))
    _settle(ledger)
    with ledger.transaction():
        ledger.candidates.prune(1 << 62, 0)
    _ingest(ledger, {**to_record(observe(2, response_id="r1")), **body}, ripe_after_us=_LATER_US)
    _ingest(ledger, to_record(observe(1, attribution=tenant("acme", plan="pro"))))
    _settle(ledger, START_US + _LATER_US // 2)
    assert (ledger.observations.unsettled()[0], _calls(ledger)) == (1, 1)
    _settle(ledger)
    seen_elsewhere = observe(3, trace=3, response_id="r1", scope="gateway", process="p2")
    _ingest(ledger, to_record(seen_elsewhere))
    _settle(ledger)
    assert _calls(ledger) == 2


@pytest.mark.parametrize("body", [{"usage": 7}, {"scope": None}, {"usage": {"input": -5_000}}])
def test_unlinking_settles_no_copy_that_was_refused(
    ledger: Ledger, body: dict[str, object]
) -> None:
    first, other = observe(1, response_id="r1"), observe(2, trace=2, response_id="r1", scope="gw")
    for record in (to_record(first), to_record(other), {**to_record(first), **body}):
        _ingest(ledger, record)
        _settle(ledger)
    with ledger.transaction():
        unlink(ledger, first.id, _NOW_US, _no_other_book)
    assert _calls(ledger) == 2
    for charge_id in list(ledger.entries.charge_ids()):
        assert len(ledger.observations.members_of(charge_id)) == 1
    assert sum(entry.amount for entry in ledger.entries) == 2 * (first.cost.total or 0)


def test_batch_of_rows_that_cannot_be_settled_does_not_end_the_round(ledger: Ledger) -> None:
    for n in range(1, 4):
        _ingest(ledger, {**to_record(observe(n, trace=n)), "usage": 7})
    _ingest(ledger, to_record(observe(4, trace=4)))
    with ledger.transaction():
        assert settle_waiting(ledger, 1 << 62, _NOW_US, _no_other_book, limit=2).waiting == 1
    assert (_calls(ledger), ledger.observations.unsettled()[0]) == (1, 0)


def test_charge_is_explained_beside_a_copy_that_cannot_be_read(ledger: Ledger) -> None:
    one = observe(1, response_id="r1")
    for record in (to_record(one), {**to_record(one), "usage": 7}):
        _ingest(ledger, record)
        _settle(ledger)
    for asked in (one.id, one.span_id, one.trace_id[:31] + "1", "r1"):
        (found,) = explain(ledger, asked)
        assert (found.charge is not None, len(found.members)) == (True, 1)
