"""What the parts of the chart take at a rate, for the figures in its values: `python -m tests.kubernetes.measure`.

    calls  --journal, forwarded-->  agent  -->  ledger
    spans  --OTLP by gRPC------->   hop    --journal, forwarded by an agent-->  ledger

Each is a process of its own, as its container runs it. Printed are, for each, the share of a core and the most memory.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from otel_genai_cost.forwarding.daemon import Forwarding
from otel_genai_cost.forwarding.destination import Destination, parse_address
from otel_genai_cost.journal.segment import Journal
from tests.bench.hop_requests import export_request
from tests.cli.command import PROGRAM
from tests.collector.receiving import export, receiving
from tests.demo.processes import Child, Children, children
from tests.demo.stage import clean_environment

_SPANS: Final = 512
"""Of a request to the hop; a tenth are calls."""

_CALL: Final[Mapping[str, Any]] = {
    "took_us": 563_513,
    "cost": {
        "price_id": "openai/gpt-4o-mini@2024-07-18T00:00:00Z",
        "rates": {"input": "0.15", "output": "0.6"},
        "total": "0.00001155",
    },
    "usage": {"input": 25, "output": 13},
    "scope": "otel_genai_instrumentors.openai",
    "dialect": "genai-cost/1",
    "provider": "openai",
    "model_requested": "gpt-4o-mini",
    "model_returned": "gpt-4o-mini-2024-07-18",
    "context": {"service_tier": "default"},
}
"""What a line of the `openai` client's says of every call alike."""


class Taken(NamedTuple):
    """What a process took: seconds of a core, and MiB at most."""

    cpu_s: float
    memory_mib: int


def main() -> None:
    """Measure, and print a row for each process."""
    asked = argparse.ArgumentParser(description="What the parts of the chart take at a rate.")
    asked.add_argument("--rate", type=int, default=200, help="calls a second")
    asked.add_argument("--seconds", type=int, default=60, help="for how long")
    given = asked.parse_args()
    for measured in (_agents, _hop):
        with TemporaryDirectory() as folder, children() as started:
            for name, taken in measured(Path(folder), started, given.rate, given.seconds):
                share = taken.cpu_s / given.seconds
                print(
                    f"{name:<14} {given.rate:>5} calls/s  {share:6.3f} cores  {taken.memory_mib:>4} MiB"
                )


def _agents(
    folder: Path, started: Children, rate: int, seconds: int
) -> Iterator[tuple[str, Taken]]:
    ledger = served(started, folder, "ledger", "ledger", "serve", "--ledger", str(folder / "l"))
    own = ("--to", _address(ledger), "--folder", str(folder / "a"))
    agent = served(started, folder, "agent", "agent", *own)
    journal = Journal([folder / "journal"])
    with _forwarded(folder / "journal", _address(agent)), _watched(agent, ledger) as taken:
        _at(rate, seconds, 1, lambda number: journal.append(line(number)))
        time.sleep(2)
    journal.close()
    yield from zip(("agent", "ledger"), taken, strict=True)


def _hop(folder: Path, started: Children, rate: int, seconds: int) -> Iterator[tuple[str, Taken]]:
    ledger = served(started, folder, "ledger", "ledger", "serve", "--ledger", str(folder / "l"))
    draw, calls = random.Random(1), _SPANS // 10
    with receiving() as collector:
        where = ("--to", collector.endpoint, "--ledger", str(folder / "h"))
        listening = ("--listen", "127.0.0.1:0", "--in-flight-max-mib", "64")
        hop = _started(started, folder, "hop", "collector", "serve", *where, *listening)
        hop.find(r"^journal: ")
        grpc = hop.find(r"come to (127\S+), and")
        way = ("--journal", str(folder / "h" / "journal"), "--to", _address(ledger))
        agent = _started(started, folder, "hop-agent", "agent", *way)
        with _watched(hop, agent, ledger) as taken:
            _at(rate, seconds, calls, lambda _: export(grpc, export_request(draw, _SPANS, 10)))
            time.sleep(2)
    yield from zip(("hop", "its agent", "ledger of hops"), taken, strict=True)


def _at(rate: int, seconds: int, step: int, one: Callable[[int], object]) -> None:
    """Do something for so many calls a second, `step` calls at once."""
    begun = time.monotonic()
    for number in range(0, rate * seconds, step):
        ahead_s = begun + number / rate - time.monotonic()
        if ahead_s > 0:
            time.sleep(ahead_s)
        one(number)
    late_s = time.monotonic() - begun - seconds
    if late_s > seconds * 0.1:
        print(f"(the load was {late_s:.0f} s late: this machine makes less than {rate} calls/s)")


def line(number: int) -> dict[str, Any]:
    now_us = time.time_ns() // 1000
    ids = {
        "trace_id": f"{random.getrandbits(128):032x}",
        "span_id": f"{random.getrandbits(64):016x}",
    }
    return {
        **ids,
        "start_us": now_us - 563_513,
        "attribution": {"tenant": f"tenant-{number % 300}", "source": "baggage"},
        "response_id": f"chatcmpl-{random.getrandbits(96):024x}",
        **_CALL,
    }


@contextmanager
def _forwarded(folder: Path, to: str) -> Generator[None]:
    address = parse_address(to)
    assert address is not None
    forwarding = Forwarding(lambda: [folder], Destination(address))
    forwarding.start()
    try:
        yield
    finally:
        forwarding.stop()


@contextmanager
def _watched(*processes: Child) -> Generator[list[Taken]]:
    """What each process takes within the block, once that has ended."""
    before = [child.cpu_s() for child in processes]
    taken: list[Taken] = []
    yield taken
    for child, begun_s in zip(processes, before, strict=True):
        taken.append(Taken(child.cpu_s() - begun_s, memory_mib(child)))


def memory_mib(child: Child) -> int:
    status = Path(f"/proc/{child.process.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) // 1024


def served(started: Children, folder: Path, name: str, *arguments: str) -> Child:
    child = _started(started, folder, name, *arguments, "--listen", "127.0.0.1:0")
    child.find(r"receiving journals at (http://[^/]+)")
    return child


def _started(started: Children, folder: Path, name: str, *arguments: str) -> Child:
    return started.start(name, [PROGRAM, *arguments], folder / f"{name}.log", clean_environment())


def _address(served: Child) -> str:
    return served.find(r"receiving journals at (http://[^/]+)")


if __name__ == "__main__":
    main()
