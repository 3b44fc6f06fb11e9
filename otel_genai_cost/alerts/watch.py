"""What no entry says: silences, unusual spending, what a digest has to say, and that alerts work at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Final

from otel_genai_cost.alerts.channel import Sender
from otel_genai_cost.alerts.deliver import send
from otel_genai_cost.alerts.outbox import Outbox
from otel_genai_cost.alerts.unusual import UnusualSpending
from otel_genai_cost.errors import ConfigurationError, MissingExtraError
from otel_genai_cost.ledger.projections.channels import Channel
from otel_genai_cost.ledger.projections.notices import Letter
from otel_genai_cost.ledger.projections.spending import HOUR_US, KEPT_H
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice, notice_id
from otel_genai_cost.limits.silence import HISTORY_HOURS, silent_since

__all__ = ["Heartbeat", "Hourly", "Watch"]

_LOOK_EVERY_US: Final = 60_000_000
_DIGEST_MAX: Final = 500
_SECOND_US: Final = 1_000_000


Hourly = Callable[[Ledger, int], Sequence[Notice]]
"""What is to be said by a ledger at a time, unix microseconds; what was said before is said once all the same."""


def _now_us() -> int:
    return time.time_ns() // 1000


class Watch:
    """Looks once a minute, and queues what it finds.

    Args:
        outbox: where it looks, and queues.
        clock_us: the time, unix microseconds.
        hourly: what else there is to say, by the ledger and the time; asked once an hour.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock_us: Callable[[], int] = _now_us,
        hourly: Hourly | None = None,
    ) -> None:
        self._outbox, self._clock_us = outbox, clock_us
        self._next_us = 0
        self._unusual = UnusualSpending(outbox)
        self._hourly, self._asked_h = hourly, -1

    async def look(self) -> None:
        """Look, if a minute has gone by, or the clock was put back by more than that."""
        now_us = self._clock_us()
        if 0 < self._next_us - now_us <= _LOOK_EVERY_US:
            return
        self._next_us = now_us + _LOOK_EVERY_US
        found = await self._outbox.ask(lambda ledger: _found(ledger, now_us))
        more = await self._also(now_us)
        await self._outbox.queue([*(found or ()), *await self._unusual.found(now_us), *more])

    async def _also(self, now_us: int) -> Iterable[Notice]:
        hourly = self._hourly
        if hourly is None or self._asked_h == now_us // HOUR_US:
            return ()
        found = await self._outbox.ask(lambda ledger: hourly(ledger, now_us))
        if found is not None:
            self._asked_h = now_us // HOUR_US
        return found or ()


def _found(ledger: Ledger, now_us: int) -> list[Notice]:
    since = now_us // HOUR_US - HISTORY_HOURS
    with ledger.transaction():
        ledger.spending.forget(now_us // HOUR_US - KEPT_H)
    hours = ledger.spending.hours(since)
    return [
        *_silences(hours, now_us),
        *_ended(ledger.notices.silences(), hours, now_us),
        *_digests(ledger, now_us),
    ]


def _silences(hours: dict[str, list[int]], now_us: int) -> Iterator[Notice]:
    """Who fell silent: the organisation, if nobody calls any more; else each tenant by itself."""
    everybody = {hour for each in hours.values() for hour in each}
    last = silent_since(everybody, now_us // HOUR_US)
    if last is not None:
        yield _silence(None, last, now_us)
        return
    for tenant, called in hours.items():
        if (last := silent_since(called, now_us // HOUR_US)) is not None:
            yield _silence(tenant, last, now_us)


def _silence(tenant: str | None, last: int, now_us: int) -> Notice:
    key = f"no_data|{tenant or ''}|{last}"
    return Notice("no_data", key, tenant, "team", now_us, {"last_us": last * HOUR_US})


def _ended(
    silences: Sequence[Notice], hours: dict[str, list[int]], now_us: int
) -> Iterator[Notice]:
    """Who calls again."""
    last_of: dict[str | None, int] = {tenant: max(called) for tenant, called in hours.items()}
    last_of[None] = max(last_of.values(), default=0)
    for one in silences:
        if last_of.get(one.tenant, 0) * HOUR_US > one.facts["last_us"]:
            yield one._replace(kind="data_again", key=f"again|{one.key}", at_us=now_us)


def _digests(ledger: Ledger, now_us: int) -> Iterator[Notice]:
    for channel in ledger.notices.channels.all():
        for n in count():
            letters = ledger.notices.due(channel.name, now_us, _DIGEST_MAX * (n + 1), "digest")
            part = letters[n * _DIGEST_MAX :]
            if not part or channel.disabled:
                break
            yield _digest(channel, part, now_us)


def _digest(channel: Channel, letters: Sequence[Letter], now_us: int) -> Notice:
    """One notice for what each of these would have said."""
    parts = [
        {**one.notice.facts, "kind": one.notice.kind, "of": one.notice.tenant} for one in letters
    ]
    ids = [one.id for one in letters]
    facts = {"to": channel.name, "letters": ids, "count": len(ids), "notices": parts}
    key = f"digest|{channel.name}|{ids[0]}|{ids[-1]}|{len(ids)}"
    return Notice("digest", key, channel.tenant, channel.audience, now_us, facts)


class Heartbeat:
    """Says by each channel that expects it (`watchdog_s`), as often as it does, that alerts work. Nothing is tried
    again: the next beat says the same.

    Args:
        outbox: says which channels there are, and when the last entry was booked.
        senders: makes what sends by a channel.
        clock_us: the time, unix microseconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        senders: Callable[[Channel], Sender],
        clock_us: Callable[[], int] = _now_us,
    ) -> None:
        self._outbox, self._make, self._clock_us = outbox, senders, clock_us
        self._sent: dict[str, int] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def beat(self) -> None:
        """Begin to send what is due; a channel whose last beat hangs misses this one."""
        now_us = self._clock_us()
        known = await self._outbox.ask(
            lambda ledger: (ledger.notices.channels.all(), _booked_us(ledger))
        )
        channels, booked_us = known or ((), None)
        busy = {task.get_name() for task in self._running}
        for one in channels:
            every_us = _every_us(one)
            if every_us and not one.disabled and one.name not in busy:
                beat = now_us // every_us
                if self._sent.get(one.name) != beat:
                    self._sent[one.name] = beat
                    notice = _watchdog(one, beat, now_us, every_us, booked_us)
                    task = asyncio.create_task(self._send(one, notice), name=one.name)
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)

    async def _send(self, channel: Channel, notice: Notice) -> None:
        try:
            sender = self._make(channel)
        except (ConfigurationError, MissingExtraError):
            return  # its letters say so
        try:
            await send(sender, notice_id(notice.key, channel.name), notice)
        finally:
            await sender.close()

    def close(self) -> None:
        """Leave what is on its way."""
        for task in self._running:
            task.cancel()


def _every_us(channel: Channel) -> int:
    seconds = channel.settings.get("watchdog_s")
    return seconds * _SECOND_US if isinstance(seconds, int) and seconds > 0 else 0


def _watchdog(
    channel: Channel, beat: int, now_us: int, every_us: int, booked_us: int | None
) -> Notice:
    facts = {"booked_at_us": booked_us, "ends_us": now_us + 3 * every_us}
    return Notice("watchdog", f"watchdog|{beat}", channel.tenant, channel.audience, now_us, facts)


def _booked_us(ledger: Ledger) -> int | None:
    """When the last entry was booked."""
    for entry in ledger.entries.since(ledger.entries.last_seq() - 1, 1):
        return entry.booked_us
    return None
