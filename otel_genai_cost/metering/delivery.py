"""How durable calls are that have ended: written, or acknowledged by an agent or a ledger, as it was declared.

Where nothing is sent there is no thread, and the question is answered by the journal alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_genai_cost.endings import at_end
from otel_genai_cost.forks import here
from otel_genai_cost.forwarding.destination import Destination
from otel_genai_cost.journal.ingested import has_mark
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.config import Settings

if TYPE_CHECKING:
    from otel_genai_cost.forwarding.daemon import Forwarding

__all__ = ["Delivery", "destination_of", "force_flush"]

_POINTS_MAX: Final = 128
_LOOK_EVERY_S: Final = 0.02
_EXIT_S: Final = 5.0
"""So long does a process stay for what it has written, if the receiver takes it."""

_EXIT_UNWELL_S: Final = 0.5
_REQUEST_BYTES: Final = 1 << 20
"""Of an application's request: a few times as much is its memory."""

Spend = Mapping[tuple[str, str], int]


class _Point(NamedTuple):
    """What there was at a time: of which segments how many bytes, and what the calls in them cost."""

    at_s: float
    sizes: Mapping[Path, int]
    usd: int


def destination_of(settings: Settings) -> Destination | None:
    """Where the journal goes; None where it stays.

    Args:
        settings: name it.
    """
    if settings.ship_to is None:
        return None
    return Destination(
        settings.ship_to,
        "node" if settings.durability == "node" else "pod",
        token=settings.ship_token,
        token_file=settings.ship_token_file,
        ca=settings.ship_ca,
        cert=settings.ship_cert,
        key=settings.ship_key,
    )


class Delivery:
    """The way of one process's journal.

    Args:
        settings: say where it goes, and what calls are to survive.
        journal: it.
        spend: what this process's calls cost until now, in atto, by currency and by whose it is.
    """

    def __init__(self, settings: Settings, journal: Journal, spend: Callable[[], Spend]) -> None:
        self._level, self._journal, self._spend = settings.durability, journal, spend
        destination = destination_of(settings)
        self._forwarding = None if destination is None else self._way(destination)
        self._ends = False
        self._begin()
        _deliveries.append(self)

    def _way(self, destination: Destination) -> Forwarding:
        from otel_genai_cost.forwarding.daemon import Forwarding  # and with it HTTP and TLS

        return Forwarding(
            self._folders,
            destination,
            own=lambda: tuple(self._journal.begun),
            on_round=self._take_point,
            request_bytes=_REQUEST_BYTES,
        )

    def _begin(self) -> None:
        self._process = here()
        self._points: deque[_Point] = deque()
        self._last: _Point | None = None
        self._sent_usd = self._lost = 0

    def start(self) -> None:
        """Start the thread of this process, once, if anything is sent. Called when a segment is begun."""
        if self._forwarding is None:
            return
        if not self._ends:
            self._ends = True
            # After `weakref` has: until that ends, what is closed gives its lock up.
            at_end(self.end)
        self._forwarding.start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until every call that has ended is durable at the declared level; whether each is.

        Args:
            timeout_s: for how long at most.
        """
        deadline_s = time.monotonic() + timeout_s
        if not self._is_ours:
            self._begin()
        if not self._is_written(deadline_s):
            return False
        if self._forwarding is None or self._level == "process":
            return True
        sizes = self._sizes()
        return not sizes or self._forwarding.wait(sizes, deadline_s - time.monotonic())

    def end(self) -> None:
        """Close the journal in order, and stay a while for what of it is not sent yet."""
        self._journal.close()
        if self._forwarding is not None and self._journal.begun:
            timeout_s = _EXIT_S if self._forwarding.is_well else _EXIT_UNWELL_S
            self._forwarding.wait(self._sizes(), timeout_s, whole=True)

    @property
    def unshipped_s(self) -> float:
        """For how many seconds the oldest call has waited that is not acknowledged yet."""
        points = tuple(self._points)
        return time.monotonic() - points[0].at_s if points and self._is_ours else 0.0

    @property
    def unshipped_usd(self) -> int:
        """What the calls cost that are not acknowledged yet, in atto dollars."""
        return max(0, self._usd() - (self._sent_usd if self._is_ours else 0))

    @property
    def is_sent(self) -> bool:
        """Whether the journal goes anywhere."""
        return self._forwarding is not None

    @property
    def _is_ours(self) -> bool:
        return self._process is here()

    def _folders(self) -> Iterable[Path]:
        folder = self._journal.folder
        found = [segment.parent for segment in tuple(self._journal.begun)]
        return found if folder is None else [folder, *found]

    def _sizes(self) -> dict[Path, int]:
        from otel_genai_cost.forwarding.daemon import sizes_of

        return sizes_of(tuple(self._journal.begun))

    def _usd(self) -> int:
        spend = dict(self._spend())  # at once: calls end meanwhile
        return sum(amount for (currency, _), amount in spend.items() if currency == "USD")

    # --- written ---

    def _is_written(self, deadline_s: float) -> bool:
        """Whether every call is in a file. One that is lost is said once; what waits is tried again, by a thread of its
        own, since a disk may hang."""
        journal = self._journal
        lost = journal.dropped + self._taken_away()
        is_lost, self._lost = lost > self._lost, lost
        if journal.not_journalled > journal.dropped:
            thread = threading.Thread(target=journal.retry, name="genai-cost-flush", daemon=True)
            with suppress(
                RuntimeError
            ):  # the machine has no thread left: the journal's own may do it
                thread.start()
            while journal.not_journalled > journal.dropped:
                if time.monotonic() >= deadline_s:
                    return False
                time.sleep(_LOOK_EVERY_S)
        return not is_lost

    def _taken_away(self) -> int:
        """Segments that are gone though nobody said that they may go: the journal writes what it can once more. One
        that is finished is for whoever reads it; where calls are to be elsewhere, it may go once it is there."""
        if self._level == "process":
            return self._journal.taken_away
        return sum(not one.exists() and not has_mark(one) for one in tuple(self._journal.begun))

    # --- what is not sent yet ---

    def _take_point(self) -> None:
        """Called before each round, by the thread that sends. What calls cost is asked before how much is written: a
        call is counted once it is."""
        if not self._is_ours:
            self._begin()
        self._let_go()
        usd = self._usd()
        point = _Point(time.monotonic(), self._sizes(), usd)
        last = self._last
        if last is None or (last.sizes, last.usd) != (point.sizes, usd):
            self._points.append(point)
            self._last = point
        while self._points and self._is_acknowledged(self._points[0]):
            self._sent_usd = self._points.popleft().usd
        if len(self._points) > _POINTS_MAX:
            self._points = deque(list(self._points)[::2])

    def _let_go(self) -> None:
        """Segments that were acknowledged, and have made room."""
        for one in tuple(self._journal.begun):
            if has_mark(one) and not one.exists():
                with suppress(ValueError):
                    self._journal.begun.remove(one)

    def _is_acknowledged(self, point: _Point) -> bool:
        way = self._forwarding
        return way is not None and all(way.acknowledged(*each) for each in point.sizes.items())


_deliveries: list[Delivery] = []


def force_flush(timeout_s: float = 30.0) -> bool:
    """Wait until every LLM call that ended before this is durable at the level that `OTEL_GENAI_COST_DURABILITY`
    declares. It does not take its turn among span processors: it is back in time whatever another one does.

    Args:
        timeout_s: for how many seconds at most.

    Returns:
        Whether each is: written at `process`, acknowledged by an agent at `pod`, by the ledger at `node`. False, too,
        if one was lost since the last time. True if no call is metered here.
    """
    deadline_s = time.monotonic() + timeout_s
    return all([one.flush(max(0.0, deadline_s - time.monotonic())) for one in _deliveries])
