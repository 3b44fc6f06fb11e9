"""What a booking crosses is a notice of its transaction: once, also where a crash comes before the commit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.projections.crossings import CROSSING
from otel_genai_cost.ledger.storage.keeping import EVENTS
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice
from tests.ledger.build import START_US, observe, tenant
from tests.ledger.projections.test_counters import decide, post
from tests.limits.build import budget

_CALL = 35 * 10**14


def _queued(ledger: Ledger) -> list[Notice]:
    """What was queued, in order, once for each audience."""
    return [one.notice for one in ledger.notices._queued("1 ORDER BY n", ())]


def _crossed(ledger: Ledger) -> list[tuple[Any, ...]]:
    rows = ledger._db.execute(
        "SELECT mark, direction, episode, late FROM crossing ORDER BY at_us, CAST(mark AS INTEGER)"
    )
    return list(rows)


def _events(home: Path) -> list[Mapping[str, Any]]:
    records = [one for path in segments(home / EVENTS) for one in read(path).records]
    return [one for one in records if one["type"] == CROSSING]


def _call(n: int, who: str = "acme") -> Any:
    return observe(n, trace=n, start_s=n, end_s=n + 1, attribution=tenant(who))


def test_one_notice_lists_all_that_was_crossed_to_the_team_and_to_the_tenant(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, budget(scope={"tenant": "*"}, hard="0.004", soft="0.001", thresholds=(50, 80)))
    post(ledger, _call(1))
    team, acme = _queued(ledger)
    assert (team.kind, team.audience, acme.audience) == ("crossed", "team", "tenant")
    assert (team.tenant, acme.tenant, team.key == acme.key) == ("acme", "acme", True)
    assert team.at_us == _call(1).end_us
    facts = {name: team.facts[name] for name in ("thresholds", "percent", "booked", "soft_reached")}
    assert facts == {
        "thresholds": [50, 80],
        "percent": 87,
        "booked": "0.0035",
        "soft_reached": True,
    }
    assert len(_events(tmp_path)) == 1
    ledger.close()


def test_a_crash_before_the_commit_loses_no_notice_and_makes_none_twice(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, budget(hard="0.003"))
    with pytest.raises(RuntimeError, match="killed"), ledger.transaction():
        _post_within(ledger)
        raise RuntimeError("killed")
    assert (_crossed(ledger), _queued(ledger)) == ([], [])
    ledger.close()

    ledger = Ledger(tmp_path / "ledger.sqlite")
    with ledger.transaction():
        ledger.ingest(map(dict, _events(tmp_path)), START_US, 0)
    assert len(_queued(ledger)) == 1
    with ledger.transaction():
        _post_within(ledger)
    assert _crossed(ledger) == [("80", "up", 1, 0), ("100", "up", 1, 0)]
    assert len(_queued(ledger)) == 1
    ledger.close()


def _post_within(ledger: Ledger) -> None:
    ledger.ingest([to_record(_call(1))], START_US, 0)
    settle_waiting(ledger, 1 << 62, START_US, lambda _, __: None)


def test_a_raised_limit_resolves_and_the_next_time_is_another_episode(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, budget(hard="0.004"))
    post(ledger, _call(1))
    decide(ledger, budget(hard="0.008", recorded_at_us=START_US))
    post(ledger, _call(2))
    assert [(one.kind, one.facts["episode"]) for one in _queued(ledger)] == [
        ("crossed", 1),
        ("resolved", 1),
        ("crossed", 2),
    ]
    ledger.close()


def test_a_charge_that_turns_out_to_be_anothers_resolves_one_and_crosses_the_other(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, budget(scope={"tenant": "*"}, hard="0.003", thresholds=(100,)))
    inner = observe(1, above=(2,), attribution=tenant("acme", "baggage"))
    outer = observe(2, end_s=2, scope="framework", attribution=tenant("globex", "edge"))
    post(ledger, inner)
    post(ledger, outer)
    found = [(one.kind, one.tenant) for one in _queued(ledger) if one.audience == "team"]
    assert found[0] == ("crossed", "acme")
    assert sorted(found[1:]) == [("crossed", "globex"), ("resolved", "acme")]
    ledger.close()


def test_what_comes_after_its_period_is_late(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, budget(hard="0.003"))
    post(ledger, _call(1), now_us=START_US + 40 * 86_400_000_000)
    assert [one.kind for one in _queued(ledger)] == ["late"]
    assert _crossed(ledger) == [("80", "up", 1, 1), ("100", "up", 1, 1)]
    ledger.close()


def test_history_that_is_loaded_crosses_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    now_us = START_US + 40 * 86_400_000_000
    post(ledger, _call(1), now_us=now_us)
    decide(ledger, budget(hard="0.003", recorded_at_us=now_us), now_us=now_us)
    post(ledger, _call(2), now_us=now_us)
    assert _crossed(ledger) == []
    (only,) = ledger.budgets.counters(budget().series)
    assert (only.booked, only.late_entries) == (2 * _CALL, 2)
    ledger.close()


def test_a_version_that_is_to_come_is_held_against_the_sums_when_it_begins(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, budget(period="total", hard="1"))
    later_us = START_US + 1_000_000
    decide(ledger, budget(period="total", hard="0.003", valid_from_us=later_us, recorded_at_us=2))
    post(ledger, _call(1))
    assert not ledger.budgets.is_due(START_US)
    assert ledger.budgets.is_due(later_us)
    with ledger.transaction():
        ledger.budgets.pass_time(later_us)
    assert [row[:3] for row in _crossed(ledger)] == [("80", "up", 1), ("100", "up", 1)]
    assert not ledger.budgets.is_due(later_us)
    ledger.close()


@pytest.mark.parametrize("broken", [{"direction": "left"}, {"booked": 1.5}, {"crossed": 3}])
def test_an_event_that_cannot_be_read_stops_nothing(
    tmp_path: Path, broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    decide(ledger, budget(hard="0.003"))
    post(ledger, _call(1))
    (event,) = _events(tmp_path)
    with ledger.transaction():
        ledger.ingest([{**event, **broken}, {"type": CROSSING}], START_US, 0)
    assert len(_crossed(ledger)) == 2
    assert caplog.text.count("cannot be read") == 2
    ledger.close()
