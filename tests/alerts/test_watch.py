"""What no entry says: silences, digests and the heartbeat."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.alerts.channel import Sender, Sent
from otel_genai_cost.alerts.outbox import Outbox
from otel_genai_cost.alerts.render import Message, render
from otel_genai_cost.alerts.watch import Heartbeat, Watch
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.channels import Channel
from otel_genai_cost.ledger.projections.notices import notice_event
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice, NoticeKind
from otel_genai_cost.limits.silence import silent_since
from tests.ledger.build import START_US, observe, tenant

_HOUR_US: Final = 3_600_000_000
_DAYS: Final = 8 * 24
_HOUR: Final = START_US // _HOUR_US


def test_who_always_calls_is_silent_after_three_hours() -> None:
    always = range(_DAYS)
    assert silent_since(always, _DAYS + 2) is None
    assert silent_since(always, _DAYS + 3) == _DAYS - 1
    nightly = [hour for hour in always if hour % 24 >= 5]
    assert silent_since(nightly, _DAYS + 10) is None, "twice its longest silence is not over"
    assert silent_since(nightly, _DAYS + 11) == _DAYS - 1


def test_who_does_not_always_call_or_is_new_is_never_silent() -> None:
    office = [hour for hour in range(14 * 24) if 8 <= hour % 24 < 18]
    assert silent_since(office, 20 * 24) is None
    assert silent_since(range(100), 200) is None
    assert silent_since([], 200) is None


@given(st.sets(st.integers(0, 400), max_size=300), st.integers(400, 1_000))
def test_silence_is_of_the_last_call_and_in_the_past(hours: set[int], now: int) -> None:
    last = silent_since(hours, now)
    assert last is None or (last == max(hours) and now - last > 3)


def _call_hourly(home: Path, name: str, hours: range) -> None:
    journal = Journal([home / "journal"])
    for n in hours:
        one = observe(
            n + 1,
            trace=ord(name[0]) * 10_000 + n + 1,
            start_s=n * 3_600,
            end_s=n * 3_600 + 1,
            attribution=tenant(name),
        )
        journal.append(to_record(one))
    journal.close()
    ship(home, [home / "journal"], drain=True)


def _look(home: Path, *hours: int) -> None:
    """In one process, at each of these hours."""
    clock = iter(hours)

    async def look() -> None:
        watch = Watch(outbox, lambda: (_HOUR + next(clock)) * _HOUR_US)
        for _ in hours:
            await watch.look()

    outbox = Outbox(home)
    try:
        asyncio.run(look())
    finally:
        outbox.close()
    ship(home, [home / "journal"], drain=True)


def _said(home: Path) -> list[tuple[NoticeKind, str | None]]:
    opened = Ledger(home / LEDGER_FILE, readonly=True)
    try:
        return [(one.notice.kind, one.notice.tenant) for one in opened.notices.since(0, "team")]
    finally:
        opened.close()


def test_a_silent_tenant_is_said_once_and_that_it_calls_again(tmp_path: Path) -> None:
    _call_hourly(tmp_path, "acme", range(_DAYS))
    _call_hourly(tmp_path, "globex", range(_DAYS + 12))
    for hour in (_DAYS + 2, _DAYS + 5, _DAYS + 9):
        _look(tmp_path, hour)
    assert _said(tmp_path) == [("no_data", "acme")]
    _call_hourly(tmp_path, "acme", range(_DAYS + 10, _DAYS + 11))
    _look(tmp_path, _DAYS + 11)
    _look(tmp_path, _DAYS + 12)
    assert _said(tmp_path) == [("no_data", "acme"), ("data_again", "acme")]


def test_a_clock_that_was_ahead_ends_no_looking(tmp_path: Path) -> None:
    _call_hourly(tmp_path, "acme", range(_DAYS))
    _call_hourly(tmp_path, "globex", range(_DAYS + 12))
    _look(tmp_path, _DAYS + 20 * 24, _DAYS + 9)
    assert ("no_data", "acme") in _said(tmp_path)


def test_if_nobody_calls_that_is_one_notice(tmp_path: Path) -> None:
    for name in ("acme", "globex"):
        _call_hourly(tmp_path, name, range(_DAYS))
    _look(tmp_path, _DAYS + 6)
    assert _said(tmp_path) == [("no_data", None)]


def test_what_is_late_is_one_digest_a_day(tmp_path: Path) -> None:
    day_us, six_us = 24 * _HOUR_US, 6 * _HOUR_US
    decide(
        tmp_path, {"type": "channel_set", "name": "a", "kind": "x", "audience": "team", "at_us": 1}
    )
    for n in range(3):
        late = Notice("late", f"k{n}", "acme", "team", 5, {"budget": f"b{n}", "percent": 90})
        decide(tmp_path, notice_event(late))
    ship(tmp_path, [])
    opened = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    due_us = {one.due_us for one in opened.notices.letters("digest")}
    opened.close()
    assert {at % day_us for at in due_us} == {six_us}
    hour = max(due_us) // _HOUR_US - _HOUR
    _look(tmp_path, hour - 1)
    _look(tmp_path, hour)
    _look(tmp_path, hour + 1)
    opened = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    (digest,) = opened.notices.letters("waiting")
    assert len(opened.notices.letters("digested")) == 3
    opened.close()
    message = render(digest.notice, digest.id)
    assert message.title == "3 notices about what is past"
    assert "Budget b1 of acme came to 90 % in a past period" in message.text.splitlines()


class _Beats:
    def __init__(self, seen: list[Message], takes_s: float) -> None:
        self._seen, self._takes_s = seen, takes_s

    async def send(self, message: Message) -> Sent:
        self._seen.append(message)
        await asyncio.sleep(self._takes_s)
        return Sent("delivered")

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(("takes_s", "beats"), [(0.0, 3), (9.0, 1)])
def test_the_heartbeat_is_as_often_as_it_is_expected(
    tmp_path: Path, takes_s: float, beats: int
) -> None:
    channel: dict[str, Any] = {"type": "channel_set", "kind": "x", "audience": "team", "at_us": 1}
    decide(tmp_path, {**channel, "name": "a", "settings": {"watchdog_s": 60}})
    decide(tmp_path, {**channel, "name": "b"})
    ship(tmp_path, [])
    seen: list[Message] = []
    now_us = [START_US // 60_000_000 * 60_000_000]

    def sender(channel: Channel) -> Sender:
        assert channel.name == "a"
        return _Beats(seen, takes_s)

    async def beat() -> None:
        heart = Heartbeat(outbox, sender, lambda: now_us[0])
        for _ in range(6):
            await heart.beat()
            await asyncio.sleep(0.01)
            now_us[0] += 30_000_000
        heart.close()

    outbox = Outbox(tmp_path)
    try:
        asyncio.run(beat())
    finally:
        outbox.close()
    assert len(seen) == beats
    assert len({one.id for one in seen}) == beats
    assert seen[0].notice.facts["ends_us"] == seen[0].notice.at_us + 180_000_000
