"""Sinks for databases, whose feeder is killed in the midst of batches, each of which comes again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.ledger.day_sums import day_sums
from otel_genai_cost.pricing.money import parse_money
from tests.demo.processes import ROOT
from tests.exporters.embedded_clickhouse import python_with_clickhouse
from tests.exporters.entries import entries
from tests.exporters.postgresql_server import server
from tests.faults.row import Row
from tests.faults.sink_program import BATCH

__all__ = ["judged", "killed_feeder", "rows"]

_KILLS, _KILLS_SHORT = 50, 4
_AFTER_S: Final = 0.6
"""The longest from a batch that is there to the kill: some more batches."""


def rows(short: bool) -> Iterator[Row]:
    """A row for each store."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as run:
        yield killed_feeder("PostgreSQL", "postgresql", Path(sys.executable), run.address, short)
    python = python_with_clickhouse()
    with tempfile.TemporaryDirectory() as folder:
        address = f"chdb://{folder}/clickhouse"
        yield killed_feeder("ClickHouse's engine", "clickhouse", python, address, short)


def killed_feeder(name: str, kind: str, python: Path, address: str, short: bool) -> Row:
    """What a store has once its feeder was killed again and again.

    Args:
        name: of the store, as the table says it.
        kind: what `sink_program` calls the sink.
        python: that feeds it.
        address: of the store, as `sink_program` takes it.
        short: whether some kills will do.
    """
    began_s, chance = time.monotonic(), random.Random(19)
    kills, done = _KILLS_SHORT if short else _KILLS, 0
    with tempfile.TemporaryDirectory() as folder:
        feed = [str(python), "-m", "tests.faults.sink_program", kind, folder, address]
        for _ in range(kills):
            done = max(done, _killed(feed, chance.uniform(0, _AFTER_S)))
        made = (done // BATCH + 2) * BATCH
        said = subprocess.run(
            [*feed, str(made)],
            cwd=ROOT,
            env=_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
    what = f"{name}: {kills} SIGKILLs of what feeds it, each batch given again"
    return judged(what, made, json.loads(said.stdout.splitlines()[-1]), began_s)


def judged(what: str, made: int, found: dict[str, Any], began_s: float) -> Row:
    """The row of a store that has been fed.

    Args:
        what: was done.
        made: how many entries there are.
        found: what `sink_program` says of the store.
        began_s: when it began.
    """
    wanted = sorted(
        [str(one.day), one.currency, one.entries, one.amount]
        for one in day_sums(entries(made), made)
    )
    stored, amount = (sum(one[place] for one in found["days"]) for place in (2, 3))
    is_equal = found["days"] == wanted
    summed = found["summed"]
    if summed is not None:
        is_equal &= (summed[0], parse_money(summed[1])) == (stored, amount)
    lost, doubled = max(0, made - stored), max(0, stored - made)
    sums = "sums equal" if is_equal else "SUMS DIFFER"
    return Row(
        what,
        "0 lost, 0 doubled, sums equal",
        f"{made} made, {stored} stored, {lost} lost, {doubled} doubled, {sums}",
        stored == made and is_equal,
        time.monotonic() - began_s,
    )


def _killed(feed: list[str], after_s: float) -> int:
    """Kill it some time after a batch is there; the last entry that it said."""
    with subprocess.Popen(
        [*feed, "0"], cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        first = one.stdout.readline()
        assert first, f"{feed[3]} did not store anything"
        time.sleep(after_s)
        one.send_signal(signal.SIGKILL)
        return int([first, *one.stdout.read().split()][-1])


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
