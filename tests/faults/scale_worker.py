"""Workers over a real Kafka and a real Redis, killed and doubled with batches under way: their sums against the
ledger's, on the same observations."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.streaming.broker import load_broker
from otel_genai_cost.streaming.cloud_event import observation_message
from otel_genai_cost.streaming.partition import partition_key
from tests.demo.processes import Child, Children, children
from tests.demo.stage import clean_environment
from tests.faults.row import Row
from tests.ledger.build import observe, tenant
from tests.ledger.journalled import settled
from tests.queues.brokers import Brokers
from tests.streaming.brokers import make_topic

__all__ = ["rows"]

_COMMAND: Final = str(Path(sys.executable).with_name("genai-cost"))
_KILLS, _KILLS_SHORT = 20, 3
_CALLS, _CALLS_SHORT = 4_000, 400
_WORKERS: Final = 2
_CELLS: Final = 12
_TOPIC: Final = "observations"
_AFTER_S: Final = 4.0
_ENDS_WITHIN_S: Final = 300.0


class _Sums(NamedTuple):
    """By tenant: calls, and atto."""

    calls: Counter[str]
    amounts: Counter[str]


def rows(short: bool) -> Iterator[Row]:
    """One row."""
    began_s, kills = time.monotonic(), _KILLS_SHORT if short else _KILLS
    observations = _observations(_CALLS_SHORT if short else _CALLS)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        brokers = Brokers(Path(folder), stack)
        kafka = brokers.address("kafka", Path("/usr/bin"))
        redis = brokers.address("redis", Path("/usr/bin"))
        make_topic(kafka, _TOPIC, 6)
        options = [f"servers={kafka}", f"topic={_TOPIC}"]
        worker = [
            *(_COMMAND, "worker", "--state", redis, "--json"),
            *(word for one in options for word in ("--option", one)),
        ]
        with children() as family:
            _killed(family, worker, Path(folder), options, observations, kills)
        done = _run([*worker, "--drain"])
        found = _sums(_run([_COMMAND, "worker-sums", "--state", redis, "--all", "--json"]))
        expected = _by_ledger(Path(folder), observations)
    yield _judged(kills, expected, found, done[-1], time.monotonic() - began_s)


def _judged(kills: int, expected: _Sums, found: _Sums, done: dict[str, Any], took_s: float) -> Row:
    made, stored = expected.calls.total(), found.calls.total()
    lost = (expected.calls - found.calls).total()
    doubled = (found.calls - expected.calls).total()
    is_equal = found == expected
    sums = "sums equal" if is_equal else "SUMS DIFFER"
    return Row(
        f"worker: {kills} SIGKILLs of two over Kafka and Redis, half of it sent twice",
        "0 lost, 0 doubled, sums equal",
        f"{made} made, {stored} stored, {lost} lost, {doubled} doubled, {sums}",
        is_equal and made > 0 and done["refused"] == 0,
        took_s,
    )


def _killed(
    family: Children,
    worker: Sequence[str],
    folder: Path,
    options: Sequence[str],
    observations: Sequence[Observation],
    kills: int,
) -> None:
    """Send everything in parts, half of it twice, while workers are killed and others take their place."""
    draw = random.Random(19)
    every = [*observations, *draw.choices(observations, k=len(observations) // 2)]
    draw.shuffle(every)
    producer = load_broker("kafka", options).producer()
    part = len(every) // kills + 1
    running = [_started(family, worker, folder, n) for n in range(_WORKERS)]
    for n in range(kills):
        producer.send(
            [
                observation_message(one, "/nodes/test", partition_key(one, "cell"))
                for one in every[n * part : (n + 1) * part]
            ]
        )
        time.sleep(draw.uniform(0.5, _AFTER_S))
        at = draw.randrange(_WORKERS)
        running[at].process.send_signal(signal.SIGKILL)
        running[at].process.wait()
        running[at] = _started(family, worker, folder, _WORKERS + n)
    producer.close()
    for one in running:
        one.process.send_signal(signal.SIGKILL)
        one.process.wait()


def _started(family: Children, worker: Sequence[str], folder: Path, n: int) -> Child:
    return family.start(f"worker {n}", worker, folder / f"worker-{n}.log", clean_environment())


def _run(command: Sequence[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        command,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=_ENDS_WITHIN_S,
    )
    return list(map(json.loads, done.stdout.splitlines()))


def _sums(found: Sequence[dict[str, Any]]) -> _Sums:
    calls, amounts = Counter[str](), Counter[str]()
    for one in found:
        calls[one["tenant"]] += one["calls"]
        amounts[one["tenant"]] += parse_money(one["amount"])
    return _Sums(calls, amounts)


def _observations(calls: int) -> list[Observation]:
    """Calls of an hour ago in several cells, each seen by the client and, every other one, by a gateway as well."""
    hour_ago_us = time.time_ns() // 1000 - 3_600_000_000
    found: list[Observation] = []
    for n in range(calls):
        tokens, response = (1_000 + n % 97, 100 + n % 31), f"r{n}"
        client = observe(
            2 * n + 1,
            trace=2 * n + 1,
            tokens=tokens,
            response_id=response,
            process=f"p{n}",
            attribution=tenant(f"t{n % 7}"),
        )
        gateway = observe(
            2 * n + 2,
            trace=2 * n + 2,
            tokens=tokens,
            response_id=response,
            scope="gateway",
            process=f"g{n}",
            attribution=tenant(None),
        )
        seen = [client, gateway] if n % 2 else [client]
        found += [_placed(one, hour_ago_us + n * 1_000, f"cell-{n % _CELLS}") for one in seen]
    return found


def _placed(one: Observation, start_us: int, cell: str) -> Observation:
    return one._replace(
        id=observation_id(int(one.trace_id, 16), int(one.span_id, 16), start_us),
        start_us=start_us,
        end_us=start_us + one.end_us - one.start_us,
        origin=one.origin._replace(cell=cell),
    )


def _by_ledger(folder: Path, observations: Sequence[Observation]) -> _Sums:
    ledger = Ledger(folder / "ledger.sqlite")
    settled(ledger, observations, time.time_ns() // 1000)
    calls, amounts = Counter[str](), Counter[str]()
    for one in ledger.entries:
        calls[one.attribution.tenant or ""] += one.calls
        amounts[one.attribution.tenant or ""] += one.amount
    ledger.close()
    return _Sums(calls, amounts)
