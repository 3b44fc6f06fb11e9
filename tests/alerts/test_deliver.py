"""Delivery with receivers of every temper: none waits for another, and nothing is lost or forgotten."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.alerts.channel import Sender, Sent
from otel_genai_cost.alerts.deliver import Delivered, Deliverer
from otel_genai_cost.alerts.outbox import Outbox
from otel_genai_cost.alerts.render import Message
from otel_genai_cost.alerts.schedule import DELAYS_S, GIVE_UP_US
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.projections.channels import Channel
from otel_genai_cost.ledger.projections.notices import Letter, notice_event
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import budget_record
from otel_genai_cost.limits.notice import Notice, notice_id
from tests.ledger.build import observe, tenant
from tests.limits.build import budget

_HOUR_US: Final = 3_600_000_000
_NOW_US: Final = time.time_ns() // 1000

Answer = Callable[[Message], Awaitable[Sent]]


class _Fake:
    """A sender that does what a test says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def send(self, message: Message) -> Sent:
        return await self._answer(message)

    async def close(self) -> None:
        pass


class Rig:
    """A ledger with channels, and a deliverer whose clock stands where a test puts it."""

    def __init__(self, home: Path, answers: dict[str, Answer]) -> None:
        self.home, self._answers = home, answers
        self.now_us = _NOW_US
        self.sent: Counter[tuple[str, str]] = Counter()
        channel = {"type": "channel_set", "kind": "x", "audience": "team", "at_us": 1}
        self.decide(*({**channel, "name": name} for name in answers))
        self.outbox = Outbox(home, lambda: self.now_us)

    def decide(self, *events: dict[str, Any]) -> None:
        for event in events:
            decide(self.home, event)
        ship(self.home, [])

    def queue(self, *keys: str) -> None:
        ship(self.home, [])
        opened = Ledger(self.home / LEDGER_FILE)
        with opened.transaction():
            for key in keys:
                facts = {"period_to_us": 1 << 60}
                opened.notices.queue(Notice("crossed", key, "acme", "team", _NOW_US, facts))
        opened.close()

    def sender(self, channel: Channel) -> Sender:
        async def answer(message: Message) -> Sent:
            self.sent[channel.name, message.id] += 1
            return await self._answers[channel.name](message)

        return _Fake(answer)

    def run(self, attempt_s: float = 0.2) -> Delivered:
        async def round_() -> Delivered:
            deliverer = Deliverer(
                self.outbox,
                senders=self.sender,
                clock_us=lambda: self.now_us,
                attempt_s=attempt_s,
            )
            return await deliverer.round()

        return asyncio.run(round_())

    def run_batches(self, number: int) -> None:
        """That many batches of the first channel, and no more."""

        async def batches() -> None:
            deliverer = Deliverer(self.outbox, senders=self.sender, clock_us=lambda: self.now_us)
            for _ in range(number):
                for channel in await deliverer._channels():
                    await deliverer._batch(channel)

        asyncio.run(batches())

    def letters(self, state: Any) -> list[Letter]:
        opened = Ledger(self.home / LEDGER_FILE, readonly=True)
        try:
            return opened.notices.letters(state)
        finally:
            opened.close()


async def _takes(_: Message) -> Sent:
    return Sent("delivered")


async def _fails(_: Message) -> Sent:
    return Sent("failed", "status 500")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Callable[[dict[str, Answer]], Rig]]:
    made: list[Rig] = []

    def make(answers: dict[str, Answer]) -> Rig:
        made.append(Rig(tmp_path, answers))
        return made[-1]

    yield make
    for one in made:
        one.outbox.close()


def test_each_letter_is_delivered_once(rig: Callable[..., Rig]) -> None:
    one = rig({"a": _takes, "b": _takes})
    one.queue(*(f"k{n}" for n in range(150)))
    assert one.run() == Delivered(300, 0)
    assert set(one.sent.values()) == {1}
    assert one.run() == Delivered(0, 0)
    ship(one.home, [])
    assert len(one.letters("delivered")) == 300


def test_a_receiver_that_hangs_or_raises_holds_up_no_other(rig: Callable[..., Rig]) -> None:
    async def hangs(_: Message) -> Sent:
        await asyncio.sleep(60)
        return Sent("delivered")

    async def raises(_: Message) -> Sent:
        raise RuntimeError("what a library may do")

    one = rig({"hangs": hangs, "raises": raises, "takes": _takes})
    one.queue("k")
    begun_s = time.monotonic()
    assert one.run() == Delivered(1, 2)
    assert time.monotonic() - begun_s < 5
    errors = {letter.channel: letter.error for letter in one.letters("waiting")}
    assert errors["hangs"] == "no answer within 0.2 s"
    assert set(errors) == {"hangs", "raises"}


def test_many_receivers_that_hang_hold_up_one_that_takes_for_one_attempt_at_most(
    rig: Callable[..., Rig],
) -> None:
    async def hangs(_: Message) -> Sent:
        await asyncio.sleep(60)
        return Sent("delivered")

    came_s: list[float] = []

    async def takes(_: Message) -> Sent:
        came_s.append(time.monotonic())
        return Sent("delivered")

    one = rig({**{f"a{n}": hangs for n in range(120)}, "z": takes})
    one.queue(*(f"k{n}" for n in range(20)))
    begun_s = time.monotonic()

    async def deliver() -> None:
        stop = asyncio.Event()
        deliverer = Deliverer(
            one.outbox, senders=one.sender, clock_us=lambda: one.now_us, attempt_s=8
        )
        running = asyncio.create_task(deliverer.follow(stop))
        while len(came_s) < 20:
            await asyncio.sleep(0.05)
        running.cancel()

    asyncio.run(asyncio.wait_for(deliver(), 60))
    assert came_s[-1] - begun_s < 8, "all of it, while the others still hang in their first attempt"
    assert {count for (name, _), count in one.sent.items() if name != "z"} == {1}


def test_a_batch_that_fails_is_left_and_keeps_its_tries(rig: Callable[..., Rig]) -> None:
    answers = [_takes] + [_fails] * 200

    async def changes(message: Message) -> Sent:
        return await answers.pop(0)(message)

    one = rig({"a": changes})
    one.queue(*(f"k{n}" for n in range(60)))
    one.run_batches(2)
    tries = Counter(letter.tries for letter in one.letters("waiting"))
    assert tries[0] >= 40, "not tried"
    assert 8 <= tries[1] <= 16


def test_what_waits_for_a_channel_that_is_removed_is_never_sent(rig: Callable[..., Rig]) -> None:
    one = rig({"a": _takes})
    one.queue("k")
    one.decide({"type": "channel_removed", "name": "a", "at_us": one.now_us})
    one.decide(
        {
            "type": "channel_set",
            "name": "a",
            "kind": "x",
            "audience": "team",
            "at_us": one.now_us + 1,
        }
    )
    assert one.run() == Delivered(0, 0)


def test_a_letter_is_tried_by_the_schedule_and_then_dead(rig: Callable[..., Rig]) -> None:
    one = rig({"a": _fails})
    one.queue("k")
    for delay_s in DELAYS_S:
        assert one.run() == Delivered(0, 1)
        one.now_us += delay_s * 1_000_000 - 1
        assert one.run() == Delivered(0, 0), "not before its time"
        one.now_us += delay_s * 1_000_000 // 5 + 1
    assert one.run() == Delivered(0, 1)
    (dead,) = one.letters("dead")
    assert (dead.error, one.letters("waiting")) == ("status 500", [])
    one.decide({"type": "notices_retried", "ids": [dead.id], "at_us": one.now_us + 1})
    assert one.run() == Delivered(0, 1)


def test_a_wish_of_the_receiver_is_obeyed(rig: Callable[..., Rig]) -> None:
    async def later(_: Message) -> Sent:
        return Sent("failed", "status 429", retry_after_s=3_600)

    one = rig({"a": later})
    one.queue("k")
    one.run()
    assert one.letters("waiting")[0].due_us == one.now_us + _HOUR_US


def test_who_is_gone_gets_no_more_and_the_team_hears_of_it(rig: Callable[..., Rig]) -> None:
    async def gone(_: Message) -> Sent:
        return Sent("gone", "status 410")

    heard: list[str] = []

    async def hears(message: Message) -> Sent:
        heard.append(message.title)
        return Sent("delivered")

    one = rig({"a": gone, "ops": hears})
    one.queue("k1", "k2")
    one.run()
    assert "The channel a is disabled" in heard
    assert sorted(letter.notice.key for letter in one.letters("dead")) == ["k1", "k2"]
    ship(one.home, [])
    one.queue("k3")
    assert "the channel is disabled" in {letter.error for letter in one.letters("dead")}
    one.decide(
        {
            "type": "channel_set",
            "name": "a",
            "kind": "x",
            "audience": "team",
            "at_us": one.now_us + 1,
        }
    )
    one.queue("k4")
    assert [letter.notice.key for letter in one.letters("waiting") if letter.channel == "a"] == [
        "k4"
    ]


def test_three_days_of_failure_disable_a_channel(rig: Callable[..., Rig]) -> None:
    one = rig({"a": _fails})
    one.queue("k1")
    one.run()
    one.now_us += GIVE_UP_US - 1
    one.queue("k2")
    one.run()
    assert [letter.notice.key for letter in one.letters("dead")] == []
    one.now_us += 1
    one.queue("k3")
    one.run()
    assert sorted(letter.notice.key for letter in one.letters("dead")) == ["k1", "k2", "k3"]


def test_one_success_in_three_days_keeps_it(rig: Callable[..., Rig]) -> None:
    answers = [_fails, _takes, _fails, _fails]

    async def changes(message: Message) -> Sent:
        return await answers.pop(0)(message)

    one = rig({"a": changes})
    one.queue("k1")
    one.run()
    one.now_us += GIVE_UP_US
    one.run()
    one.queue("k2")
    one.run()
    assert one.letters("dead") == []


def test_a_rebuilt_ledger_sends_nothing_again(rig: Callable[..., Rig]) -> None:
    one = rig({"a": _takes, "b": _fails})
    facts = {"period_to_us": 1 << 60}
    for key in ("k1", "k2"):
        one.decide(notice_event(Notice("crossed", key, "acme", "team", _NOW_US, facts)))
    assert one.run() == Delivered(2, 2)
    (one.home / LEDGER_FILE).unlink()
    ship(one.home, [])
    one.now_us += 1
    assert one.run() == Delivered(0, 2), "what was delivered is known; what was not is tried anew"
    assert {count for (name, _), count in one.sent.items() if name == "a"} == {1}


def test_a_crossing_is_not_sent_again_after_a_rebuild_from_journal_and_events(
    rig: Callable[..., Rig],
) -> None:
    one = rig({"a": _takes})
    each = budget(scope={"tenant": "*"}, period="total", hard="0.000001")
    one.decide({"type": BUDGET, **budget_record(each)})
    journal = Journal([one.home / "journal"])
    for n in range(1, 21):
        journal.append(to_record(observe(n, trace=n, attribution=tenant(f"t{n % 5}"))))
    journal.close()
    ship(one.home, [one.home / "journal"], drain=True)
    assert one.run() == Delivered(5, 0)
    (one.home / LEDGER_FILE).unlink()
    ship(one.home, [one.home / "journal"], drain=True)
    assert one.run() == Delivered(0, 0)
    assert len(one.letters("delivered")) == 5


def test_a_clock_that_steps_back_neither_repeats_nor_puts_off(rig: Callable[..., Rig]) -> None:
    answers = [_fails, _takes, _takes]

    async def changes(message: Message) -> Sent:
        return await answers.pop(0)(message)

    one = rig({"a": changes})
    one.queue("k1")
    one.now_us += 400 * 24 * _HOUR_US
    one.run()
    one.now_us -= 400 * 24 * _HOUR_US
    assert one.run() == Delivered(1, 0), "what was put off by a year is due"
    (sent,) = one.letters("delivered")
    one.decide(
        {"type": "notices_retried", "ids": [sent.id], "at_us": one.now_us + 30 * 24 * _HOUR_US}
    )
    assert one.run() == Delivered(1, 0)
    assert one.run() == Delivered(0, 0), (
        "it was taken after it was sent again, whatever the clock says"
    )
    ship(one.home, [])
    assert [letter.state for letter in one.letters("delivered")] == ["delivered"]


def test_a_letter_delivered_before_a_crash_is_known_from_the_journal(
    rig: Callable[..., Rig], tmp_path: Path
) -> None:
    one = rig({"a": _takes})
    one.queue("k")
    decide(
        tmp_path,
        {"type": "notices_delivered", "ids": [notice_id("k", "a")], "at_us": one.now_us},
    )
    ship(tmp_path, [])
    assert one.run() == Delivered(0, 0)


def test_without_a_ledger_there_is_nothing_to_do_and_none_is_made(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    try:
        assert asyncio.run(Deliverer(outbox).round()) == Delivered(0, 0)
    finally:
        outbox.close()
    assert not (tmp_path / LEDGER_FILE).exists()
