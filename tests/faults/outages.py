"""A ledger that is away, replies that are lost, and bursts, while applications send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from tests.demo.processes import wait_until
from tests.faults.fleet_sender import Pace
from tests.faults.fleet_stage import ENDS_WITHIN_S, fleet, row_of
from tests.faults.relay import Relay
from tests.faults.row import Row
from tests.queues.brokers import free_port

__all__ = ["rows"]

_WANTED: Final = "0 lost, 0 doubled"


def rows(short: bool) -> Iterator[Row]:
    """The rows of outages."""
    yield _burst(short)
    yield _replies_lost(short)
    yield _away(short)


def _away(short: bool) -> Row:
    began_s = time.monotonic()
    pods, away_s = (4, 5) if short else (40, 60)
    with fleet("node", pods) as one:
        one.start()
        one.promise(one.pods)
        one.kill_server("ledger")
        time.sleep(away_s)
        one.serve("ledger")
        done = one.settle()
    what = (
        f"node: {pods} applications, 2 agents, a ledger that is away for {away_s} s while all send"
    )
    return row_of(what, _WANTED, done, began_s)


def _replies_lost(short: bool) -> Row:
    began_s = time.monotonic()
    pods, lost = (4, 10) if short else (40, 300)
    port = free_port()
    relay = Relay(port, one_in=3)
    with fleet("node", pods, port, relay.port) as one:
        one.start()
        servers = tuple(one.servers.values())
        wait_until(lambda: relay.lost >= lost, "lost replies", ENDS_WITHIN_S, servers)
        done = one.settle()
    relay.close()
    return row_of(
        f"node: {pods} applications, 2 agents; {relay.lost} replies of the ledger lost after it processed what "
        f"was asked",
        _WANTED,
        done,
        began_s,
    )


def _burst(short: bool) -> Row:
    began_s = time.monotonic()
    threads, calls = 8, 625 if short else 12_500
    with fleet("node", 1) as one:
        one.start(Pace(calls=calls, threads=threads))
        one.promise(one.pods)
        done = one.settle()
    held = done.made == done.promised == done.charged == threads * calls
    what = f"node: a burst of {threads * calls} calls on {threads} threads, an agent, a ledger"
    return row_of(what, "each promised and charged, " + _WANTED, done, began_s, held)
