"""Calls whose start was journalled: charged as unfinished once they cannot end, and put right if they do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.reader import is_finished, segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import unpriced
from otel_genai_cost.reports.coverage import coverage
from otel_genai_cost.reports.selection import EVERYTHING
from tests.ledger.build import START_US, observe, tenant

_HOUR_US = 3_600_000_000


def begun(span: int, **options: Any) -> Observation:
    """The start of a call, as the processor writes it."""
    one = observe(span, tokens=None, **{"end_s": options.get("start_s", 0), **options})
    return one._replace(cost=unpriced("unfinished"))


def start(span: int, **options: Any) -> dict[str, Any]:
    return {"type": "start", **to_record(begun(span, **options))}


def _now(after_us: int = 0) -> Any:
    return lambda: START_US + after_us


def _nets(home: Path) -> list[tuple[object, ...]]:
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    found = [
        (p.occurred_us, p.attribution.tenant, p.reason, p.amount, p.calls, p.unpriced)
        for charge in charges(ledger)
        for p in charge.positions
    ]
    ledger.close()
    return sorted(found, key=repr)


def _unfinished(home: Path) -> tuple[int, int]:
    """Open and lost."""
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    found = coverage(ledger, EVERYTHING)
    ledger.close()
    return found.open, found.lost


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Journal]:
    """A journal whose process goes on."""
    journal = Journal([tmp_path / "journal"])
    yield journal
    journal.close()


def _ship(home: Path, after_us: int = 0) -> None:
    ship(home, [home / "journal"], drain=True, clock_us=_now(after_us))


def test_call_of_a_process_that_lives_is_open_and_no_charge(
    tmp_path: Path, living: Journal
) -> None:
    living.append(start(1))
    _ship(tmp_path)
    assert (_nets(tmp_path), _unfinished(tmp_path)) == ([], (1, 0))
    living.append(to_record(observe(1)))
    _ship(tmp_path)
    assert [net[2:] for net in _nets(tmp_path)] == [(None, observe(1).cost.total, 1, 0)]
    assert _unfinished(tmp_path) == (0, 0)


def test_call_of_a_process_that_is_gone_is_an_unpriced_charge(
    tmp_path: Path, living: Journal
) -> None:
    living.append(start(1))
    living.append(start(2, trace=2, attribution=tenant("globex")))
    living.append(to_record(observe(2, trace=2, attribution=tenant("globex"))))
    living.close()
    _ship(tmp_path)
    assert _nets(tmp_path)[0] == (START_US, "acme", "unfinished", 0, 1, 1)
    assert len(_nets(tmp_path)) == 2
    assert _unfinished(tmp_path) == (0, 1)


def test_segment_that_was_full_does_not_end_its_process(tmp_path: Path) -> None:
    journal = Journal([tmp_path / "journal"], bound=Bound(segment_bytes=1))
    journal.append(start(1))
    journal.append(start(2, trace=2))
    _ship(tmp_path)
    assert _unfinished(tmp_path) == (2, 0)
    journal.close()
    _ship(tmp_path)
    assert _unfinished(tmp_path) == (0, 2)


def test_segment_that_ends_between_two_looks_does_not_end_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next one was not there when segments were listed, and it itself is finished when it is read."""
    now_s = [0.0]
    journal = Journal([tmp_path / "journal"], monotonic_s=lambda: now_s[0])
    journal.append(start(1))

    def looked_at_late(path: Path) -> bool:
        if not now_s[0]:
            now_s[0] = 3_601.0
            journal.append(start(2, trace=2))
            journal.append(start(3, trace=3))
        return is_finished(path)

    monkeypatch.setattr("otel_genai_cost.ledger.daemon.is_finished", looked_at_late)
    _ship(tmp_path)
    assert len(segments(tmp_path / "journal")) == 2
    assert _unfinished(tmp_path) == (2, 0)
    _ship(tmp_path)
    assert _unfinished(tmp_path) == (3, 0)
    journal.close()
    _ship(tmp_path)
    assert _unfinished(tmp_path) == (0, 3)


def test_end_that_comes_after_an_hour_corrects_what_was_booked(
    tmp_path: Path, living: Journal
) -> None:
    living.append(start(1))
    _ship(tmp_path, _HOUR_US - 1)
    _ship(tmp_path, 2 * _HOUR_US - 2)
    assert _unfinished(tmp_path) == (1, 0)
    _ship(tmp_path, 2 * _HOUR_US)
    assert _nets(tmp_path) == [(START_US, "acme", "unfinished", 0, 1, 1)]
    late = observe(1, end_s=7_200, attribution=tenant("acme"))
    living.append(to_record(late))
    _ship(tmp_path, 3 * _HOUR_US)
    assert _nets(tmp_path) == [(late.end_us, "acme", None, late.cost.total, 1, 0)]
    assert _unfinished(tmp_path) == (0, 0)
    ledger = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    assert [(e.cause, e.calls, e.unpriced) for e in ledger.entries] == [
        ("charged", 1, 1),
        ("enriched", -1, -1),
        ("enriched", 1, 0),
    ]
    ledger.close()


def test_late_end_after_its_evidence_is_forgotten(tmp_path: Path, living: Journal) -> None:
    living.append(start(1))
    _ship(tmp_path)
    _ship(tmp_path, 2 * _HOUR_US)
    _ship(tmp_path, 40 * 24 * _HOUR_US)
    living.append(to_record(observe(1, end_s=9)))
    _ship(tmp_path, 41 * 24 * _HOUR_US)
    assert [net[2:] for net in _nets(tmp_path)] == [(None, observe(1).cost.total, 1, 0)]


def test_withdrawn_start_is_no_charge_even_after_it_was_one(
    tmp_path: Path, living: Journal
) -> None:
    living.append(start(1))
    _ship(tmp_path)
    _ship(tmp_path, 2 * _HOUR_US)
    assert len(_nets(tmp_path)) == 1
    one = begun(1)
    no_call = one._replace(
        reading=one.reading._replace(role="context"), cost=unpriced("missing_usage")
    )
    living.append(to_record(no_call))
    _ship(tmp_path, 3 * _HOUR_US)
    assert _nets(tmp_path) == []


def test_framework_and_client_of_one_call_are_one_liability(
    tmp_path: Path, living: Journal
) -> None:
    living.append(start(1, scope="framework"))
    living.append(start(2, above=(1,)))
    living.close()
    _ship(tmp_path)
    assert [net[2:] for net in _nets(tmp_path)] == [("unfinished", 0, 1, 1)]


def test_framework_that_was_killed_around_a_call_that_ended(
    tmp_path: Path, living: Journal
) -> None:
    living.append(start(1, scope="framework"))
    living.append(start(2, above=(1,)))
    living.append(to_record(observe(2, above=(1,))))
    living.close()
    _ship(tmp_path)
    assert [net[2:] for net in _nets(tmp_path)] == [(None, observe(2).cost.total, 1, 0)]


def test_start_and_end_settle_alike_in_any_order() -> None:
    end = observe(1, end_s=5, response_id="r1", attribution=tenant(None))
    told = [begun(1), end, observe(2, above=(1,), end_s=4, scope="native", response_id="r1")]
    verdicts = [settle(order).verdicts for order in permutations(told)]
    (verdict,) = verdicts[0]
    assert all(each == (verdict,) for each in verdicts)
    assert verdict.cost.total == end.cost.total
    assert len(verdict.members) == 3
    (without,) = settle(told[1:]).verdicts
    assert without[:2] == verdict[:2], "a start changes neither id nor time"


@pytest.mark.parametrize("seed", range(8))
def test_any_order_and_split_comes_to_the_same(tmp_path: Path, seed: int) -> None:
    """Starts, ends and shipping rounds mixed; some calls never end."""
    draw, journal = random.Random(seed), Journal([tmp_path / "journal"])
    spans = range(1, 13)
    records = [start(n, trace=n, start_s=n) for n in spans]
    ended = [observe(n, trace=n, start_s=n, end_s=n + 2) for n in spans if n % 3]
    records += map(to_record, ended)
    draw.shuffle(records)
    after_us = 0
    for record in records:
        journal.append(record)
        if draw.random() < 0.4:
            after_us += draw.choice([1_000_000, 2 * _HOUR_US])
            _ship(tmp_path, after_us)
    journal.close()
    _ship(tmp_path, after_us + _HOUR_US)
    nets = _nets(tmp_path)
    assert sum(net[3] for net in nets) == sum(one.cost.total or 0 for one in ended)  # type: ignore[misc]
    assert sorted(net[0] for net in nets if net[2] is None) == sorted(o.end_us for o in ended)  # type: ignore[type-var]
    assert sum(net[2] == "unfinished" for net in nets) == 4
    assert _unfinished(tmp_path) == (0, 4)


def test_rebuilt_ledger_comes_to_the_same(tmp_path: Path, living: Journal) -> None:
    living.append(start(1))
    _ship(tmp_path)
    _ship(tmp_path, 2 * _HOUR_US)
    living.append(to_record(observe(1, end_s=5)))
    living.append(start(2, trace=2))
    living.close()
    _ship(tmp_path, 3 * _HOUR_US)
    before = _nets(tmp_path)
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    _ship(tmp_path, 3 * _HOUR_US)
    assert _nets(tmp_path) == before


def test_book_that_knows_more_does_not_rate_an_unfinished_call(
    tmp_path: Path, living: Journal
) -> None:
    living.append(start(1))
    living.close()
    from tests.ledger.build import BOOK

    ship(tmp_path, [tmp_path / "journal"], drain=True, book=lambda: BOOK)
    assert [net[2:] for net in _nets(tmp_path)] == [("unfinished", 0, 1, 1)]
