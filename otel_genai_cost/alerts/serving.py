"""`genai-cost alerts serve`: one process that delivers, beside the one that ships."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_genai_cost.alerts.channel import Sender
from otel_genai_cost.alerts.deliver import Delivered, Deliverer, sender_of
from otel_genai_cost.alerts.outbox import Outbox
from otel_genai_cost.alerts.watch import Heartbeat, Hourly, Watch
from otel_genai_cost.errors import fence
from otel_genai_cost.ledger.projections.channels import Channel
from otel_genai_cost.ledger.storage.lock import exclusive

__all__ = ["delivery_lock", "serve"]

_LOCK_FILE: Final = "alerts.lock"
_LOOK_S: Final = 1.0


@contextmanager
def delivery_lock(home: Path) -> Generator[None, None, None]:
    """Be the one process that delivers a ledger's notices, for the length of the block.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerLockedError: if another process delivers.
    """
    refusal = f"another process delivers the notices of {home}; one is enough"
    with exclusive(home / _LOCK_FILE, refusal):
        yield


def serve(
    home: Path,
    *,
    once: bool = False,
    senders: Callable[[Channel], Sender] = sender_of,
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    hourly: Hourly | None = None,
) -> Delivered:
    """Deliver what is due, until SIGTERM or SIGINT.

    Args:
        home: the ledger's folder.
        once: whether to end when nothing is due any more.
        senders: makes what sends by a channel.
        clock_us: the time, unix microseconds.
        hourly: what else there is to say, once an hour.

    Returns:
        What was delivered, and what failed.

    Raises:
        LedgerLockedError: if another process delivers.
    """
    with delivery_lock(home):
        return asyncio.run(_serve(home, once, senders, clock_us, hourly))


async def _serve(
    home: Path,
    once: bool,
    senders: Callable[[Channel], Sender],
    clock_us: Callable[[], int],
    hourly: Hourly | None,
) -> Delivered:
    outbox = Outbox(home, clock_us)
    deliverer = Deliverer(outbox, senders=senders, clock_us=clock_us)
    watch = Watch(outbox, clock_us, hourly)
    try:
        if once:
            await watch.look()
            return await deliverer.round()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        heartbeat = Heartbeat(outbox, senders, clock_us)
        looking = asyncio.create_task(_look(watch, heartbeat, stop))
        done = await deliverer.follow(stop)
        await looking
        return done
    finally:
        await deliverer.close()
        outbox.close()


async def _look(watch: Watch, heartbeat: Heartbeat, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with fence("alerts.watch"):
            await watch.look()
            await heartbeat.beat()
        try:
            await asyncio.wait_for(stop.wait(), _LOOK_S)
        except asyncio.TimeoutError:
            continue
    heartbeat.close()
