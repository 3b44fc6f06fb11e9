"""The outbox as the process that delivers sees it: its ledger, in a thread of its own, and its journal of outcomes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from otel_genai_cost.alerts.schedule import GIVE_UP_US
from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.projections.channels import Channel
from otel_genai_cost.ledger.projections.notices import OUTCOMES, Letter, Notices, notice_event
from otel_genai_cost.ledger.storage.keeping import EVENTS
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Notice

__all__ = ["Batch", "Failed", "Outbox"]

_logger = logging.getLogger("otel_genai_cost")
_T = TypeVar("_T")

_AGAIN_S: Final = 0.2
_TRIES_MAX: Final = 20
_IDS_MAX: Final = 500
"""Ids in one event: a line of the journal stays short."""


class Failed(NamedTuple):
    """A letter that could not be sent: when it is due again (unix microseconds; None if it is dead), and why."""

    letter: Letter
    due_us: int | None
    error: str


class Batch(NamedTuple):
    """What came of sending some letters of one channel."""

    channel: Channel
    delivered: tuple[Letter, ...]
    failed: tuple[Failed, ...]
    gone: str = ""
    """What the receiver said when it wanted nothing any more."""


class Outbox:
    """Reads what is due and writes down what became of it, first in the ledger's own journal, then in its file.

    Args:
        home: the ledger's folder.
        clock_us: the time, unix microseconds.
    """

    def __init__(
        self, home: Path, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._home, self._clock_us = home, clock_us
        self._thread = ThreadPoolExecutor(1, "genai-cost-outbox")
        self._journal = Journal([home / EVENTS])
        self._ledger: Ledger | None = None
        self._inode = 0

    async def ask(self, question: Callable[[Ledger], _T]) -> _T | None:
        """What the ledger answers; None while there is none, or it cannot be read.

        Args:
            question: is called in the thread of the ledger.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._ask(question)
        )

    def _ask(self, question: Callable[[Ledger], _T]) -> _T | None:
        try:
            ledger = self._opened()
            return None if ledger is None else question(ledger)
        except (sqlite3.Error, LedgerError) as error:
            _logger.warning("the outbox cannot be read, and is read again: %s", error)
            return None

    def _opened(self) -> Ledger | None:
        """The ledger that is there now: it may have been deleted and rebuilt. None is ever made here, since whoever
        ships makes it."""
        path = self._home / LEDGER_FILE
        try:
            inode = path.stat().st_ino
        except FileNotFoundError:
            inode = 0
        if inode != self._inode and self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        if inode and self._ledger is None:
            self._ledger, self._inode = Ledger(path), inode
            self._recover(self._ledger)
        return self._ledger

    def _recover(self, ledger: Ledger) -> None:
        """Take what a process before this one journalled of its outcomes and did not write into the ledger; whoever
        ships reads the same again, to no effect."""
        for segment in segments(self._home / EVENTS):
            with suppress(OSError, FormatTooNewError):
                offset = ledger.cursors.of(str(segment)).byte_offset
                while (batch := read(segment, offset)).records:
                    with ledger.transaction():
                        for event in batch.records:
                            if event.get("type") in OUTCOMES:
                                ledger.notices.decide(event, 0)
                    offset = batch.offset

    def took(self, letter: Letter) -> None:
        """A receiver took a letter: that is journalled at once, and written into the ledger with its batch."""
        for event in _of_letters("notices_delivered", [letter], self._clock_us()):
            self._journal.append(event)

    async def note(self, batch: Batch) -> None:
        """Write down what came of a batch. What a ledger that is busy does not take is in the journal all the same.

        Args:
            batch: of one channel.
        """
        now_us = self._clock_us()
        dead = list(_deaths(batch, now_us))
        for event in dead:
            self._journal.append(event)
        events = [*_of_letters("notices_delivered", batch.delivered, now_us), *dead]
        await self._insist(lambda ledger: self._write(ledger, events, batch, now_us))

    def _write(
        self, ledger: Ledger, events: Iterable[Mapping[str, Any]], batch: Batch, now_us: int
    ) -> bool:
        with ledger.transaction():
            for event in events:
                ledger.notices.decide(event, now_us)
            for one in batch.failed:
                if one.due_us is not None:
                    ledger.notices.failed(one.letter.id, one.due_us, one.error)
            since_us = ledger.notices.failing(
                batch.channel.name, now_us, is_failing=not batch.delivered
            )
            reason = batch.gone or _given_up(since_us, now_us, batch)
            if reason:
                self._disable(ledger.notices, batch.channel, reason, now_us)
        return True

    def _disable(self, notices: Notices, channel: Channel, reason: str, now_us: int) -> None:
        """No more is sent by a channel; what waits is dead, and the team is informed."""
        waiting = notices.letters("waiting", channel.name)
        facts = {"disabled": channel.name, "reason": reason}
        about = Notice(
            "channel_disabled",
            f"channel_disabled|{channel.name}|{now_us}",
            None,
            "team",
            now_us,
            facts,
        )
        disabled = {"type": "channel_disabled", "name": channel.name, "reason": reason}
        dead = _of_letters("notices_dead", waiting, now_us, reason)
        for event in ({**disabled, "at_us": now_us}, *dead, notice_event(about)):
            self._journal.append(event)
            notices.decide(event, now_us)

    async def queue(self, notices: Iterable[Notice]) -> None:
        """Queue notices that follow from no entry: events first.

        Args:
            notices: one that was queued before changes nothing.
        """
        events = [notice_event(one) for one in notices]
        for event in events:
            self._journal.append(event)

        def write(ledger: Ledger) -> bool:
            with ledger.transaction():
                for event in events:
                    ledger.notices.decide(event, 0)
            return True

        if events:
            await self._insist(write)

    async def _insist(self, write: Callable[[Ledger], bool]) -> None:
        for _ in range(_TRIES_MAX):
            if await self.ask(write):
                return
            await asyncio.sleep(_AGAIN_S)
        _logger.error(
            "the ledger in %s takes no outcomes of notices; they are in its journal, and until it is read the same "
            "notices are sent again, under the same ids",
            self._home,
        )

    def close(self) -> None:
        """Close the journal and the ledger."""
        self._thread.submit(self._close_ledger).result()
        self._thread.shutdown()
        self._journal.close()

    def _close_ledger(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


def _deaths(batch: Batch, now_us: int) -> Iterable[dict[str, Any]]:
    for one in batch.failed:
        if one.due_us is None:
            yield from _of_letters("notices_dead", [one.letter], now_us, one.error)


def _of_letters(
    kind: str, letters: Sequence[Letter], now_us: int, error: str = ""
) -> Iterable[dict[str, Any]]:
    """The events that something came of letters: after what came of them before, by whatever clock that was."""
    for n in range(0, len(letters), _IDS_MAX):
        part = letters[n : n + _IDS_MAX]
        at_us = max(now_us, *(one.state_us + 1 for one in part))
        event = {"type": kind, "ids": [one.id for one in part], "at_us": at_us}
        yield {**event, "error": error} if error else event


def _given_up(since_us: int | None, now_us: int, batch: Batch) -> str:
    if since_us is None or now_us - since_us < GIVE_UP_US:
        return ""
    return f"it failed for three days, the last time with: {batch.failed[-1].error}"
