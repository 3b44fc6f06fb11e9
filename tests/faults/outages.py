"""A ledger that is away, replies that are lost, bursts, and an agent whose disk is full, while applications send."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
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
    for away_s in (5,) if short else (60, 600):
        yield _away(short, away_s)
    yield from _full_agent(short)


def _away(short: bool, away_s: int) -> Row:
    began_s = time.monotonic()
    pods = 4 if short else 40
    with fleet("node", pods) as one:
        one.start(Pace(pause_s=max(0.02, away_s / 1_000)))
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


def _full_agent(short: bool) -> Iterator[Row]:
    """An agent's disk is full while applications send, and has room again later; mounting it takes root."""
    began_s = time.monotonic()
    pods = 2 if short else 10
    with fleet("pod", pods) as one:
        disk = one.folder / "node-0" / "agent"
        disk.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            return
        try:
            one.start()
            one.promise(one.pods)
            refused = _fill(disk / "ballast")
            time.sleep(3)
            subprocess.run(["mount", "-o", "remount,size=256m", str(disk)], check=True)
            done = one.settle()
        finally:
            one.kill_server("node-0")
            subprocess.run(["umount", "-l", str(disk)], check=True)
    what = (
        f"pod: {pods} applications, an agent whose disk is full, then larger, and one whose is not"
    )
    yield row_of(what, _WANTED, done, began_s, refused)


def _fill(ballast: Path) -> bool:
    """Write until there is no room; gives whether there is none."""
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError as error:
                return error.errno == errno.ENOSPC
