"""The hop beside what it could be replaced by, on the same load in one run: protobuf's own library, passing on without
a look, and the real collector with and without compiled prices.

CPU time of the process for a span, through gRPC, of requests of 512 and 8,192 spans of which none, a tenth or all are
calls, mixed in every request. The hop's includes a journal on disk.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.bench.counting import KEPT, counter, million_instructions, run_program
from tests.bench.hop_peers import Peer, hop, sink
from tests.bench.hop_peers import collector as real_collector
from tests.bench.hop_requests import export_request
from tests.bench.measure import Result
from tests.cli.command import PROGRAM
from tests.collector.otelcol import otelcol
from tests.demo.processes import Children, children

_SHARES: Final = (0, 10, 100)
"""How many of a hundred spans are calls."""

_SIZES: Final = (512, 8_192)
_SPANS: Final = 8_192
"""In a round, of each."""

_ROUNDS: Final = 9
_REPEATED: Final[Mapping[int, int]] = {0: 8, 10: 1, 100: 1}
"""How often the spans of a round are sent, for each share; calls only once, since nobody makes one twice."""

_PROVIDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "compiled": ("openai", "anthropic", "google"),
    "few": ("deepseek",),
}
"""524 models and 5, as the book has them now."""

_GOALS: Final[Mapping[str, tuple[str, str, str]]] = {
    "protobuf": (">= 10", ">= 2.5", ">= 1.5"),
    "compiled": (">= 1.5", ">= 1.5", ">= 1.5"),
    "collector": (">= 1.00", ">= 0.20", ">= 0.05"),
    "raw": (">= 0.50", ">= 0.10", ">= 0.02"),
}
"""By how much the hop is to be faster, for each share: what we aim at."""

_NAMES: Final[Mapping[str, str]] = {
    "protobuf": "by protobuf",
    "raw": "passed on without a look",
    "collector": "a collector that only passes on",
    "compiled": "a collector with the prices of 524 models",
}


def collector() -> Iterator[Result]:
    """The hop and the collector, by CPU time; the hop's work alone, by instructions."""
    with sink() as to, children() as family, tempfile.TemporaryDirectory() as name:
        peers = _peers(family, Path(name), to)
        for spans in _SIZES:
            for share in _SHARES:
                yield from _rows(peers, spans, share)
    yield from _instructions()


def _peers(family: Children, folder: Path, to: str) -> Mapping[str, Peer]:
    found = {way: hop(family, folder, to, way) for way in ("hop", "protobuf", "raw")}
    if not otelcol().exists():
        print("the collector is not built, and not compared with: run make collector")
        return found
    found["collector"] = real_collector(family, folder, to, "collector", None)
    for name, providers in _PROVIDERS.items():
        chosen = [word for provider in providers for word in ("--provider", provider)]
        prices = folder / f"{name}-prices.yaml"
        with prices.open("wb") as output:
            command = [PROGRAM, "collector", "compile", *chosen]
            subprocess.run(command, stdout=output, stderr=subprocess.DEVNULL, check=True)
        found[name] = real_collector(family, folder, to, name, prices)
    return found


def _rows(peers: Mapping[str, Peer], spans: int, share: int) -> Iterator[Result]:
    times = _measured(peers, spans, share)
    where = f"{spans:,} spans a request, {share} % calls"
    for name, peer in _NAMES.items():
        if name not in times:
            continue
        goal = _GOALS[name][_SHARES.index(share)]
        yield _faster(f"hop, {where}", times["hop"], times[name], peer, goal)
    if "compiled" not in times:
        return
    if share == 0:
        named, without = f"collector with prices, {where}", _NAMES["collector"]
        yield _times_as_much(named, times["compiled"], times["collector"], without, "<= 1.10")
    if share == 100:
        named = f"a call's price among 524 models, {spans:,} spans a request"
        added, few = (_above(times[one], times["collector"]) for one in _PROVIDERS)
        yield _times_as_much(named, added, few, "among 5, where it is unknown", "<= 2.00")


def _measured(peers: Mapping[str, Peer], spans: int, share: int) -> Mapping[str, list[float]]:
    """CPU time for a span in microseconds, of each in turn, so that all are disturbed alike. No span comes twice."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    draw = random.Random(spans * 1_000 + share)
    for round_ in range(_ROUNDS + 1):
        requests = [export_request(draw, spans, share) for _ in range(_SPANS // spans)]
        for name, peer in peers.items():
            took = peer.cpu_us(requests * _REPEATED[share]) / (_SPANS * _REPEATED[share])
            if round_:  # the first warms up
                times[name].append(took)
    return times


def _above(ours: Sequence[float], without: Sequence[float]) -> list[float]:
    least = min(without)
    return [max(0.01, one - least) for one in ours]


def _faster(
    name: str, ours: Sequence[float], theirs: Sequence[float], peer: str, goal: str
) -> Result:
    ratio = statistics.median(other / one for one, other in zip(ours, theirs, strict=True))
    times = min(ours), min(theirs)
    return Result(name, *times, peer, "us", ratio, goal, _noise(theirs), is_bound=False)


def _times_as_much(
    name: str, ours: Sequence[float], theirs: Sequence[float], peer: str, goal: str
) -> Result:
    times = min(ours), min(theirs)  # what disturbs only adds
    return Result(name, *times, peer, "us", times[0] / times[1], goal, _noise(theirs))


def _noise(times: Sequence[float]) -> float:
    """The spread, without the least and the most."""
    ordered = sorted(times)
    return ordered[-2] / ordered[1] - 1


def _instructions() -> Iterator[Result]:
    """Of a span in the hop's own work, without gRPC; nothing where they cannot be counted."""
    counted_by = counter()
    if counted_by is None:
        return
    for share in _SHARES:
        draw = random.Random(share)
        requests = [export_request(draw, 512, share) for _ in range(8)]
        ours, theirs = (_counted(way, requests, counted_by) for way in ("hop", "protobuf"))
        name = f"hop's work alone, 512 spans a request, {share} % calls"
        goal = {0: "<= 0.10", 10: "<= 0.40", 100: "<= 0.67"}[share]
        yield Result(
            name, ours, theirs, "by protobuf", "kinstr", ours / theirs, goal, 0.0, is_bound=False
        )


def _counted(way: str, requests: Sequence[bytes], counted_by: Path) -> float:
    """Thousand instructions for a span."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT) as name:
        sent = Path(name, "requests")
        sent.write_bytes(b"".join(len(one).to_bytes(4, "big") + one for one in requests))
        program = str(Path(__file__).with_name("hop_program.py"))
        command = [sys.executable, program, way, "count", str(sent), name]
        done = run_program(command, Path(name), counted_by)
    return million_instructions(done) * 1e3 / (len(requests) // 2 * 512)
