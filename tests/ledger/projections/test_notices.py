"""Notices: queued once, routed to who may see them, and known after everything was rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.notices import notice_event
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice, notice_id

_DAY_US: Final = 24 * 3_600_000_000
_NOW_US: Final = 1_795_000_000_000_000


def crossing(key: str = "b1", **changed: Any) -> Notice:
    notice = Notice("crossed", key, "acme", "team", _NOW_US, {"thresholds": [80], "budget": "b"})
    return notice._replace(**changed)


def channel_set(name: str, at_us: int = 1, **changed: Any) -> dict[str, Any]:
    event = {"type": "channel_set", "name": name, "at_us": at_us, "kind": "webhook"}
    return {**event, "audience": "team", "tenant": None, "kinds": [], "settings": {}, **changed}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / LEDGER_FILE)
    opened.notices.clock_us = lambda: _NOW_US
    yield opened
    opened.close()


def _decide(ledger: Ledger, *events: dict[str, Any]) -> None:
    with ledger.transaction():
        ledger.ingest(events, _NOW_US, 0)


def _queue(ledger: Ledger, *notices: Notice) -> None:
    with ledger.transaction():
        for notice in notices:
            ledger.notices.queue(notice)


def _letters(ledger: Ledger, state: Any = "waiting") -> list[tuple[str, str]]:
    return sorted((one.channel, one.notice.key) for one in ledger.notices.letters(state))


def test_a_notice_is_queued_once_for_each_channel_that_carries_it(ledger: Ledger) -> None:
    _decide(
        ledger,
        channel_set("all"),
        channel_set("other tenant's", tenant="globex"),
        channel_set("of acme", tenant="acme"),
        channel_set("other kinds", kinds=["anomaly"]),
        channel_set("for acme", audience="tenant", tenant="acme"),
        channel_set("for nobody", audience="tenant"),
        channel_set("for globex", audience="tenant", tenant="globex"),
        channel_set("set later", at_us=_NOW_US + 1),
    )
    _queue(ledger, crossing(), crossing(), crossing(audience="tenant"))
    sent = {one.channel: one for one in ledger.notices.letters("waiting")}
    assert sorted(sent) == ["all", "for acme", "of acme"]
    assert sent["for acme"].notice.audience == "tenant"
    assert sent["all"].id == notice_id("b1", "all")
    assert [one.n for one in ledger.notices.since(0, "team")] == [1]


def test_a_notice_is_lost_with_the_transaction_that_queued_it(ledger: Ledger) -> None:
    _decide(ledger, channel_set("all"))
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.notices.queue(crossing())
        raise RuntimeError
    assert _letters(ledger) == []


def test_channels_are_what_their_events_come_to_in_any_order(ledger: Ledger) -> None:
    events = [
        channel_set("a", 1, settings={"url": "one"}),
        {"type": "channel_disabled", "name": "a", "at_us": 2, "reason": "gone"},
        channel_set("a", 3, settings={"url": "two"}),
        channel_set("b", 1),
        {"type": "channel_removed", "name": "b", "at_us": 2},
        channel_set("c", 1),
        {"type": "channel_disabled", "name": "c", "at_us": 2, "reason": "gone"},
        {"type": "channel_set"},
        {"type": "channel_removed", "name": 3, "at_us": 4},
    ]
    _decide(ledger, *reversed(events), *events)
    found = {one.name: one for one in ledger.notices.channels.all()}
    assert sorted(found) == ["a", "c"]
    assert (found["a"].settings, found["a"].disabled, found["a"].since_us) == (
        {"url": "two"},
        "",
        1,
    )
    assert found["c"].disabled == "gone"


def test_what_is_late_or_old_and_over_waits_for_a_digest(ledger: Ledger) -> None:
    _decide(ledger, channel_set("all"))
    old_us = _NOW_US - 4 * _DAY_US
    _queue(
        ledger,
        crossing("late", kind="late"),
        crossing("old", at_us=old_us),
        crossing("old period", at_us=old_us, facts={"period_to_us": _NOW_US - 1}),
        crossing("old call, open period", at_us=old_us, facts={"period_to_us": _NOW_US + 1}),
        crossing("new"),
    )
    assert _letters(ledger) == [("all", "new"), ("all", "old call, open period")]
    assert [key for _, key in _letters(ledger, "digest")] == ["late", "old", "old period"]
    digest = {"to": "all", "letters": [notice_id(key, "all") for key in ("late", "old")]}
    _queue(ledger, crossing("digest", kind="digest", facts=digest))
    assert [key for _, key in _letters(ledger, "digest")] == ["old period"]
    assert [key for _, key in _letters(ledger, "digested")] == ["late", "old"]


def test_outcomes_hold_by_their_times_and_come_again_without_effect(ledger: Ledger) -> None:
    _decide(ledger, channel_set("all"))
    _queue(ledger, crossing())
    one = notice_id("b1", "all")
    with ledger.transaction():
        ledger.notices.failed(one, 7, "no answer")
    assert [
        (each.tries, each.due_us, each.error) for each in ledger.notices.letters("waiting")
    ] == [(1, 7, "no answer")]
    assert ledger.notices.due("all", 6, 10) == []
    dead = {"type": "notices_dead", "ids": [one], "at_us": 10, "error": "given up"}
    retried = {"type": "notices_retried", "ids": [one], "at_us": 11}
    _decide(ledger, dead, retried, dead)
    assert [each.tries for each in ledger.notices.due("all", 0, 10)] == [0]
    _decide(ledger, {"type": "notices_delivered", "ids": [one], "at_us": 12}, retried, dead)
    assert _letters(ledger, "delivered") == [("all", "b1")]


def test_what_a_disabled_channel_missed_can_be_sent_again(ledger: Ledger) -> None:
    gone = {"type": "channel_disabled", "name": "all", "at_us": 2, "reason": "410"}
    _decide(ledger, channel_set("all"), gone)
    _queue(ledger, crossing())
    assert [one.error for one in ledger.notices.letters("dead")] == ["the channel is disabled"]


def test_what_is_no_notice_is_ignored(ledger: Ledger) -> None:
    good = notice_event(crossing())
    for name, value in (("kind", "x"), ("audience", 1), ("key", None), ("facts", 3), ("at_us", "")):
        _decide(ledger, {"type": "notice", "notice": {**good["notice"], name: value}})
    _decide(ledger, {"type": "notice"}, {"type": "notices_dead", "ids": 3, "at_us": 1})
    assert ledger.notices.since(0, "team") == []
    _decide(ledger, good, good)
    assert len(ledger.notices.since(0, "team")) == 1


def test_a_tenant_is_shown_its_own_notices_alone(ledger: Ledger) -> None:
    _queue(
        ledger,
        crossing("a", audience="tenant"),
        crossing("b", audience="tenant", tenant="globex"),
        crossing("c", audience="tenant", tenant=None),
        crossing("d"),
    )
    seen = [one.notice.key for one in ledger.notices.since(0, "tenant", "acme")]
    assert seen == ["a"]
    assert ledger.notices.since(0, "tenant") == []


def test_a_rebuilt_ledger_knows_what_was_delivered_and_acknowledged(tmp_path: Path) -> None:
    shown = notice_id("b2", " team")
    decide(tmp_path, channel_set("all"))
    decide(tmp_path, {"type": "notices_delivered", "ids": [notice_id("b1", "all")], "at_us": 5})
    decide(tmp_path, {"type": "notice_acknowledged", "id": shown, "by": "ann", "at_us": 6})
    for key in ("b1", "b2"):
        decide(tmp_path, notice_event(crossing(key)))
    ship(tmp_path, [])
    before = _state(tmp_path)
    (tmp_path / LEDGER_FILE).unlink()
    ship(tmp_path, [])
    assert _state(tmp_path) == before
    assert [letter for letter in before[0] if letter[2] == "delivered"] == [
        (notice_id("b1", "all"), "all", "delivered")
    ]
    assert ("b2", "ann") in before[1]


def _state(home: Path) -> tuple[list[Any], list[Any]]:
    opened = Ledger(home / LEDGER_FILE, readonly=True)
    letters = [
        (one.id, one.channel, one.state)
        for state in ("waiting", "digest", "delivered")
        for one in opened.notices.letters(state)
    ]
    shown = [(one.notice.key, one.acknowledged_by) for one in opened.notices.since(0, "team")]
    opened.close()
    return sorted(letters), shown
