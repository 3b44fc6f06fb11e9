"""The ledger as a whole: whatever the order, the split over transactions or the crash, the net is the same."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.charge import charges, explain
from otel_genai_cost.ledger.posting.run import EVIDENCE_US, settle_waiting, unlink
from otel_genai_cost.ledger.rerating.books import rated_with
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.storage.cursors import Cursor
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.rate import price
from tests.ledger.build import BOOK, START_US, observe, tenant
from tests.ledger.settlement.test_settle import SPANS

_NOW_US = START_US + 100_000_000


def _no_other_book(observation: Observation, digest: str) -> Cost | None:
    return None


def _ingest(ledger: Ledger, observations: Iterable[Observation], now_us: int = _NOW_US) -> None:
    """One transaction: keep, settle and book."""
    with ledger.transaction():
        ledger.ingest([to_record(one) for one in observations], now_us, 0)
        while settle_waiting(ledger, 1 << 62, now_us, _no_other_book)[0]:
            pass


def _nets(ledger: Ledger) -> Counter[tuple[object, ...]]:
    """What every charge comes to, but for its id, which the first booking decides."""
    return Counter(
        (
            p.attribution.tenant,
            p.attribution.absent,
            p.model,
            p.reason,
            p.amount,
            p.calls,
            p.unpriced,
        )
        for charge in charges(ledger)
        for p in charge.positions
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


@settings(max_examples=60, deadline=None)
@given(st.lists(SPANS, max_size=8), st.randoms(use_true_random=False), st.integers(1, 4))
def test_neither_order_nor_split_changes_the_net(
    observations: list[Observation], draw: random.Random, batch: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        at_once, bit_by_bit = (Ledger(Path(folder) / name) for name in ("one", "other"))
        _ingest(at_once, observations)
        shuffled = list(observations)
        draw.shuffle(shuffled)
        for at in range(0, len(shuffled), batch):
            _ingest(bit_by_bit, shuffled[at : at + batch])
        assert _nets(bit_by_bit) == _nets(at_once)
        verdicts = settle(set_of(observations)).verdicts
        assert sum(entry.calls for entry in bit_by_bit.entries) == len(verdicts)
        at_once.close()
        bit_by_bit.close()


def set_of(observations: list[Observation]) -> list[Observation]:
    """Without identical copies, which a ledger keeps once."""
    return list({repr(one): one for one in observations}.values())


def test_identical_copy_is_kept_once(ledger: Ledger) -> None:
    record = to_record(observe(1))
    assert ledger.ingest([dict(record), {**record, "seq": 7}], _NOW_US, 0) == 1


def test_late_member_adjusts_what_is_booked(ledger: Ledger) -> None:
    outer = observe(1, end_s=3, scope="framework")
    _ingest(ledger, [outer])
    inner = observe(2, above=(1,), end_s=2, parts={"cache_read": 512}, attribution=tenant("acme"))
    _ingest(ledger, [inner])
    entries = list(ledger.entries)
    assert {entry.charge_id for entry in entries} == {outer.id}
    assert [entry.cause for entry in entries] == ["charged", "enriched"]
    (charge,) = charges(ledger)
    assert charge.positions[0].amount == inner.cost.total
    assert charge.positions[0].occurred_us == outer.end_us


def test_two_booked_charges_that_merge_leave_one(ledger: Ledger) -> None:
    first = observe(3, above=(2, 1), end_s=2)
    last = observe(1, end_s=9, scope="framework", tokens=(1_000, 100))
    _ingest(ledger, [first])
    _ingest(ledger, [last])
    _ingest(ledger, [observe(4, trace=4, start_s=500, end_s=501)])
    assert sum(entry.calls for entry in ledger.entries) == 2


def _look_again(ledger: Ledger, *statements: str) -> None:
    """Change what a person may change, and settle everything anew."""
    with sqlite3.connect(ledger.path) as db:
        for statement in (*statements, "UPDATE observation SET settled = 0"):
            db.execute(statement)
    db.close()
    _ingest(ledger, [])


def test_charges_that_part_and_merge_again_and_again(ledger: Ledger) -> None:
    late, early = observe(2, end_s=3, response_id="r1"), observe(1, response_id="r1", scope="gw")
    _ingest(ledger, [late])
    _ingest(ledger, [early])  # ended first, but the other one was booked first and stays
    for _ in range(3):
        _look_again(ledger, f"INSERT INTO unlinked VALUES ('{early.id}', 0)")
        assert sum(entry.calls for entry in ledger.entries) == 2
        _look_again(ledger, "DELETE FROM unlinked")
        assert sum(entry.calls for entry in ledger.entries) == 1


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_booked_charges_that_merge_the_one_booked_first_stays(
    ledger: Ledger, first: int
) -> None:
    gateway = observe(1, trace=9, response_id="r1", scope="gateway", process="p2")
    native = observe(2, above=(3,), end_s=2, scope="native")
    told = [gateway, native]
    _ingest(ledger, [told[first]])
    _ingest(ledger, [told[1 - first]])
    _ingest(ledger, [observe(3, end_s=3, response_id="r1")])
    assert [charge.charge_id for charge in charges(ledger)] == [told[first].id]
    assert sum(entry.calls for entry in ledger.entries) == 1


def test_entries_are_numbered_without_gaps(ledger: Ledger) -> None:
    for n in range(1, 6):
        _ingest(ledger, [observe(n, trace=n, start_s=n * 50, end_s=n * 50 + 1)])
    assert [entry.seq for entry in ledger.entries] == [1, 2, 3, 4, 5]
    assert [entry.seq for entry in ledger.entries.since(3)] == [4, 5]


def test_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.ingest([to_record(observe(1))], _NOW_US, 0)
        ledger.cursors.advance(Cursor("segment", 10))
        raise RuntimeError("stop")
    assert ledger.observations.waiting(1 << 62, 10) == []
    assert ledger.cursors.of("segment").byte_offset == 0


def _priced(quantity: int, *rate: object) -> dict[str, object]:
    return {
        "status": "priced",
        "currency": "USD",
        "rates": {"input": rate},
        "quantities": {"input": quantity},
        "total": "1",
    }


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"id": 1},
        {**to_record(observe(1)), "usage": {"leaves": {"input": "many"}, "quality": "reported"}},
        {**to_record(observe(1)), "usage": {"input": -1, "output": 5}},
        {**to_record(observe(1)), "usage": {"input": 10**15, "output": 5}},
        {**to_record(observe(1)), "start_us": -5},
        {**to_record(observe(1)), "cost": None},
        {**to_record(observe(1)), "origin": 5},
        {**to_record(observe(1)), "end_us": 1 << 63},
        {**to_record(observe(1)), "start_us": "yesterday"},
        {**to_record(observe(1)), "id": "not hex"},
        {**to_record(observe(1)), "path": [["a"]]},
        {**to_record(observe(1)), "provider": ["openai"]},
        {**to_record(observe(1)), "context": None},
        {**to_record(observe(1)), "attribution": {"tenant": {"id": "acme"}}},
        {**to_record(observe(1)), "attribution": {"tenant": "acme", "labels": 5}},
        {**to_record(observe(1)), "cost": _priced(10**40, "2.5", 1_000_000)},
        {**to_record(observe(1)), "cost": _priced(5, "9" * 25, 1)},
        {**to_record(observe(1)), "cost": _priced(5, "2.5", 0)},
    ],
)
def test_malformed_record_is_set_aside(ledger: Ledger, record: dict[str, object]) -> None:
    with ledger.transaction():
        ledger.ingest([record, to_record(observe(2, trace=2))], _NOW_US, 0)
        settle_waiting(ledger, 1 << 62, _NOW_US, _no_other_book)
    assert sum(entry.calls for entry in ledger.entries) == 1


def test_row_that_lost_its_quantities_is_set_aside(ledger: Ledger, tmp_path: Path) -> None:
    """It would be a call that costs nothing, which looks as if it were priced."""
    with ledger.transaction():
        ledger.ingest([to_record(observe(n, trace=n)) for n in (1, 2)], _NOW_US, 0)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        (body,) = db.execute("SELECT body FROM observation WHERE n = 1").fetchone()
        took, _, total = json.loads(body)
        db.execute(
            "UPDATE observation SET body = ? WHERE n = 1", (json.dumps([took, None, total]),)
        )
    db.close()
    with ledger.transaction():
        settle_waiting(ledger, 1 << 62, _NOW_US, _no_other_book)
    (entry,) = ledger.entries
    assert entry.charge_id == observe(2, trace=2).id


def test_value_of_a_newer_vocabulary_says_that_nothing_is_known(ledger: Ledger) -> None:
    newer = to_record(observe(1, tokens=None))
    newer["usage"] = {"leaves": {"input": 5}, "quality": "guessed"}
    newer["cost"] = {"status": "waived"}
    with ledger.transaction():
        ledger.ingest([newer], _NOW_US, 0)
        settle_waiting(ledger, 1 << 62, _NOW_US, _no_other_book)
    (entry,) = ledger.entries
    assert (entry.quality, entry.calls, entry.unpriced) == ("unknown", 1, 1)


def test_what_comes_after_its_evidence_is_gone_is_flagged_late(ledger: Ledger) -> None:
    late_us = START_US + 2 * EVIDENCE_US
    _ingest(ledger, [observe(1)], now_us=late_us)
    assert next(iter(ledger.entries)).flags == ("late",)


def test_pruning_forgets_old_evidence_only(ledger: Ledger) -> None:
    _ingest(ledger, [observe(1, response_id="r1")])
    assert ledger.candidates.prune(_NOW_US + 1, 0) > 0
    assert ledger.candidates.prune(_NOW_US + 1, 0) == 0
    _ingest(ledger, [observe(2, trace=2, response_id="r1", scope="gateway", process="p2")])
    assert sum(entry.calls for entry in ledger.entries) == 1


def test_poll_after_the_overlap_is_forgotten_leaves_the_charge_as_it_was(ledger: Ledger) -> None:
    """A client's span and a framework's, a sum around them, a tenant from above; weeks later somebody polls."""
    calls = [
        observe(
            n, above=(1,), start_s=n, end_s=n + 1, response_id=f"r{n}", attribution=tenant(None)
        )
        for n in (2, 3)
    ]
    twin = observe(
        4,
        trace=2,
        start_s=2,
        end_s=3,
        scope="framework",
        parts={"cache_read": 512},
        attribution=tenant(None),
    )
    run = observe(1, end_s=9, tokens=(2_000, 200), scope="framework", attribution=tenant("acme"))
    _ingest(ledger, [*calls, twin, run])
    before = _nets(ledger)
    assert {key[0] for key in before} == {"acme"}
    ledger.candidates.prune(_NOW_US + 1, 0)
    poll = observe(9, trace=9, start_s=900_000, end_s=900_001, response_id="r2", role="poll")
    _ingest(ledger, [poll], now_us=_NOW_US + 10 * EVIDENCE_US)
    assert _nets(ledger) == before
    assert [stored.charge_id for stored in ledger.observations.find(poll.id)] == [calls[0].id]


def test_run_that_outlives_the_evidence_below_it_is_no_charge(ledger: Ledger) -> None:
    day_s = EVIDENCE_US // 1_000_000
    _ingest(ledger, [observe(2, above=(1,))])
    later_us = _NOW_US + 2 * EVIDENCE_US
    ledger.candidates.prune(later_us - EVIDENCE_US, 0)
    run = observe(1, end_s=2 * day_s, role="aggregate", tokens=(4_000, 400), scope="framework")
    _ingest(ledger, [run], now_us=later_us)
    assert sum(entry.calls for entry in ledger.entries) == 1


def test_equal_calls_of_one_scope_are_settled_on_their_own(ledger: Ledger) -> None:
    """The same call, made over and over, does not bring back everything before it."""
    _ingest(ledger, [observe(n, trace=n, start_s=n, end_s=n + 1) for n in range(1, 40)])
    with ledger.transaction():
        ledger.ingest([to_record(observe(40, trace=40, start_s=40, end_s=41))], _NOW_US, 0)
        assert len(ledger.candidates.component(ledger.observations.waiting(1 << 62, 10))) == 1


def test_response_id_that_is_used_again_and_again_brings_back_its_own_hour(ledger: Ledger) -> None:
    often = [
        observe(n, trace=n, start_s=7_300 * n, end_s=7_300 * n + 1, response_id="chatcmpl-1")
        for n in range(1, 30)
    ]
    _ingest(ledger, often)
    assert sum(entry.calls for entry in ledger.entries) == 29
    with ledger.transaction():
        again = observe(30, trace=30, start_s=7_300, end_s=7_301, response_id="chatcmpl-1")
        ledger.ingest([to_record(again)], _NOW_US, 0)
        assert len(ledger.candidates.component(ledger.observations.waiting(1 << 62, 10))) == 2


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "missing"])
def test_tier_that_only_a_poorer_member_tells_is_rated(ledger: Ledger, *, is_kept: bool) -> None:
    """The SDK's span has the cache and no tier, the client's has the tier: the price needs both, and their book."""
    model = "o4-mini-2025-04-16"
    native = observe(2, above=(1,), model=model, parts={"cache_read": 512})
    client = observe(1, end_s=2, scope="client-2", model=model)
    tiered = client.reading._replace(context={"service_tier": "flex"})
    both = native.reading._replace(context=tiered.context)
    usage, at_us = native.reading.usage, native.end_us
    expected = price(BOOK, "openai", model, usage, at_us, both.context)
    assert expected.total != native.cost.total

    def rate_again(one: Observation, digest: str) -> Cost | None:
        assert digest == BOOK.digest
        return rated_with(one, BOOK) if is_kept else None

    with ledger.transaction():
        told = [native, client._replace(reading=tiered)]
        ledger.ingest([to_record(one) for one in told], _NOW_US, 0)
        settle_waiting(ledger, 1 << 62, _NOW_US, rate_again)
    booked = [(entry.amount, entry.flags) for entry in ledger.entries]
    wanted = (expected.total, ()) if is_kept else (native.cost.total, ("book_missing",))
    assert booked == [wanted]


def test_unlinked_observation_is_booked_on_its_own_and_stays_so(ledger: Ledger) -> None:
    inner, outer = observe(2, above=(1,), end_s=2), observe(1, end_s=3, scope="framework")
    _ingest(ledger, [inner, outer])
    with ledger.transaction():
        entries = unlink(ledger, outer.id, _NOW_US, _no_other_book)
        assert [(entry.cause, entry.charge_id) for entry in entries] == [("unlinked", outer.id)]
        assert unlink(ledger, outer.id, _NOW_US, _no_other_book) == []
    _ingest(ledger, [inner._replace(scope_version="2.0")])
    assert sum(entry.calls for entry in ledger.entries) == 2
    assert [len(ledger.observations.members_of(one.id)) for one in (inner, outer)] == [2, 1]


def test_contradicting_copies_are_counted(ledger: Ledger) -> None:
    with ledger.transaction():
        copies = [observe(1), observe(1, parts={"cache_read": 900})]
        ledger.ingest([to_record(one) for one in copies], _NOW_US, 0)
        assert settle_waiting(ledger, 1 << 62, _NOW_US, _no_other_book).conflicts == 1


def test_explanation_holds_every_member_and_entry(ledger: Ledger) -> None:
    inner, outer = observe(2, above=(1,), end_s=2), observe(1, end_s=3, scope="framework")
    _ingest(ledger, [inner, outer])
    for asked in (inner.id, inner.id[:8], outer.span_id, outer.trace_id):
        found = [one for one in explain(ledger, asked) if one.charge]
        assert [stored.rule for stored in found[0].members] == [None, 2]
        assert len(found[0].entries) == 1
    assert explain(ledger, "not an id") == []
    assert explain(ledger, "ffffffff") == []


def test_reader_sees_the_ledger_while_a_writer_works(ledger: Ledger) -> None:
    _ingest(ledger, [observe(1)])
    reader = Ledger(ledger.path, readonly=True)
    with ledger.transaction():
        ledger.ingest([to_record(observe(2, trace=2))], _NOW_US, 0)
        assert reader.entries.last_seq() == 1
    reader.close()


def test_file_that_is_no_ledger_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is not a database, but it is long enough to look like one" * 20)
    with pytest.raises(LedgerError, match="rebuilds it from the journal"):
        Ledger(path)


def test_newer_format_is_refused(ledger: Ledger) -> None:
    ledger.close()
    with sqlite3.connect(ledger.path) as db:
        db.execute("UPDATE meta SET value = '3' WHERE key = 'format'")
    with pytest.raises(FormatTooNewError, match="upgrade"):
        Ledger(ledger.path)
