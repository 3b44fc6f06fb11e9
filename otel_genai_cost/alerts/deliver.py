"""Delivery: what is due is sent, channel by channel, none waiting for another, and each for so long only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple

from otel_genai_cost.alerts.channel import ATTEMPT_S, Sender, Sent, sender_type
from otel_genai_cost.alerts.outbox import Batch, Failed, Outbox
from otel_genai_cost.alerts.render import render
from otel_genai_cost.alerts.schedule import next_try_us
from otel_genai_cost.errors import ConfigurationError, MissingExtraError, fence
from otel_genai_cost.ledger.projections.channels import Channel
from otel_genai_cost.ledger.projections.notices import Letter
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice

__all__ = ["Delivered", "Deliverer", "send", "sender_of"]

_logger = logging.getLogger("otel_genai_cost")

_BATCH: Final = 64
_AT_ONCE: Final = 8
"""Letters of one channel that are on their way at the same time; and so many that fail one after the other are enough
of a batch."""

_AT_ONCE_MAX: Final = 256
"""Of all channels together by which something went the last time; and as many of the others, of which only one letter
each is tried: receivers that hang hold up one another at most."""

_POLL_S: Final = 0.5


class Delivered(NamedTuple):
    """What a round came to: letters that were taken, and that were not."""

    delivered: int = 0
    failed: int = 0


def sender_of(channel: Channel) -> Sender:
    """What sends by a channel.

    Raises:
        ConfigurationError: if there is no such kind of channel, or its settings cannot be used.
        MissingExtraError: if its library is not installed.
    """
    kind = sender_type(channel.kind)
    if problems := kind.problems(channel.settings, channel.audience):
        raise ConfigurationError(problems[0], value=channel.name, where="a channel of notices")
    return kind(channel.settings, channel.audience)


async def send(
    sender: Sender, letter_id: str, notice: Notice, attempt_s: float = ATTEMPT_S
) -> Sent:
    """Send a notice once; whatever goes wrong is what came of it.

    Args:
        sender: of the channel.
        letter_id: the id that the receiver sees.
        notice: what is to be said.
        attempt_s: the longest that it may take.
    """
    with fence("alerts.send"):
        try:
            return await asyncio.wait_for(sender.send(render(notice, letter_id)), attempt_s)
        except asyncio.TimeoutError:
            return Sent("failed", f"no answer within {attempt_s:g} s")
    return Sent("failed", "it could not be sent; see the log of this process")


class Deliverer:
    """Sends what is due.

    Args:
        outbox: what is due, and where outcomes are written down.
        senders: makes what sends by a channel.
        clock_us: the time, unix microseconds.
        attempt_s: the longest that an attempt may take.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        senders: Callable[[Channel], Sender] = sender_of,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        attempt_s: float = ATTEMPT_S,
    ) -> None:
        self._outbox, self._make, self._clock_us = outbox, senders, clock_us
        self._attempt_s = attempt_s
        self._senders: dict[str, tuple[Channel, Sender]] = {}
        self._open: set[str] = set()
        """Channels by which something went the last time."""
        self._places = asyncio.Semaphore(_AT_ONCE_MAX)
        self._trials = asyncio.Semaphore(_AT_ONCE_MAX)

    async def follow(self, stop: asyncio.Event) -> Delivered:
        """Go on until `stop` is set, and then until what is on its way has come to an end, for one attempt's time.

        Args:
            stop: ends it.

        Returns:
            What all of it came to.
        """
        running: dict[str, asyncio.Task[Delivered]] = {}
        sums = Delivered()
        while not stop.is_set():
            for channel in await self._channels():
                if channel.name not in running:
                    running[channel.name] = asyncio.create_task(self._batch(channel))
            await _first(running.values(), stop)
            for name in [name for name, task in running.items() if task.done()]:
                sums = _plus(sums, running.pop(name).result())
        return _plus(sums, await _last(running.values(), self._attempt_s))

    async def round(self) -> Delivered:
        """Send everything that is due now, and what becomes due meanwhile, once each."""
        sums = Delivered()
        while channels := await self._channels():
            done = await asyncio.gather(*map(self._batch, channels))
            for one in done:
                sums = _plus(sums, one)
        return sums

    async def close(self) -> None:
        """Let go of all connections."""
        for _, sender in self._senders.values():
            with fence("alerts.close"):
                await sender.close()
        self._senders.clear()

    async def _channels(self) -> Sequence[Channel]:
        """Those by which something is to be sent now."""
        now_us = self._clock_us()

        def due(ledger: Ledger) -> list[Channel]:
            names = set(ledger.notices.channels_due(now_us))
            known = ledger.notices.channels.all()
            return [one for one in known if one.name in names and not one.disabled]

        return await self._outbox.ask(due) or ()

    async def _batch(self, channel: Channel) -> Delivered:
        """Send some of what is due by one channel, and write down what came of it."""
        is_open = channel.name in self._open
        now_us = self._clock_us()
        letters = await self._outbox.ask(
            lambda ledger: ledger.notices.due(channel.name, now_us, _BATCH if is_open else 1)
        )
        if not letters:
            return Delivered()
        tried = await self._try(channel, letters, self._places if is_open else self._trials)
        batch = self._came_of(channel, tried)
        (self._open.add if batch.delivered else self._open.discard)(channel.name)
        await self._outbox.note(batch)
        return Delivered(len(batch.delivered), len(batch.failed))

    async def _try(
        self, channel: Channel, letters: Sequence[Letter], places: asyncio.Semaphore
    ) -> list[tuple[Letter, Sent]]:
        """Send letters, until too many failed one after the other: the rest keep their tries."""
        at_once, tried = asyncio.Semaphore(_AT_ONCE), list[tuple[Letter, Sent]]()

        async def one(letter: Letter) -> None:
            async with at_once, places:
                last = [sent.outcome for _, sent in tried[-_AT_ONCE:]]
                if len(last) == _AT_ONCE and "delivered" not in last:
                    return
                sent = await self._send(channel, letter)
            if sent.outcome == "delivered":
                self._outbox.took(letter)
            tried.append((letter, sent))

        await asyncio.gather(*map(one, letters))
        return tried

    async def _send(self, channel: Channel, letter: Letter) -> Sent:
        try:
            sender = await self._sender(channel)
        except (ConfigurationError, MissingExtraError) as error:
            return Sent("failed", str(error))
        return await send(sender, letter.id, letter.notice, self._attempt_s)

    async def _sender(self, channel: Channel) -> Sender:
        """The channel's sender, made anew when the channel was set anew."""
        known = self._senders.get(channel.name)
        if known is not None and known[0] == channel:
            return known[1]
        made = self._make(channel)
        self._senders[channel.name] = (channel, made)
        if known is not None:
            await known[1].close()
        return made

    def _came_of(self, channel: Channel, tried: Sequence[tuple[Letter, Sent]]) -> Batch:
        now_us = self._clock_us()
        failed = [
            Failed(
                letter,
                next_try_us(letter.id, letter.tries + 1, now_us, sent.retry_after_s),
                sent.error,
            )
            for letter, sent in tried
            if sent.outcome != "delivered"
        ]
        if failed:
            what = failed[-1].error
            _logger.warning(
                "channel %s: %d notice(s) not taken: %s", channel.name, len(failed), what
            )
        gone = [sent.error for _, sent in tried if sent.outcome == "gone"]
        taken = [letter for letter, sent in tried if sent.outcome == "delivered"]
        reason = f"its receiver is gone: {gone[0]}" if gone else ""
        return Batch(channel, tuple(taken), tuple(failed), reason)


def _plus(one: Delivered, other: Delivered) -> Delivered:
    return Delivered(one.delivered + other.delivered, one.failed + other.failed)


async def _first(tasks: Iterable[asyncio.Task[Delivered]], stop: asyncio.Event) -> None:
    """Wait until a batch is done, it is time to look again, or nothing more is wanted."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([*tasks, stopped], timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()


async def _last(tasks: Collection[asyncio.Task[Delivered]], wait_s: float) -> Delivered:
    """What the batches came to that ended in time. Those that did not are begun again by the next process."""
    sums = Delivered()
    if tasks:
        done, late = await asyncio.wait(tasks, timeout=wait_s)
        for task in late:
            task.cancel()
        for task in done:
            sums = _plus(sums, task.result())
    return sums
