"""What the processor adds to a span that is no call of a model, and what importing it adds to a program."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.counting import KEPT, counter, million_instructions, run_program
from tests.bench.measure import Result, of_budget
from tests.bench.spans_program import SPANS

_PROGRAM: Final = Path(__file__).with_name("spans_program.py")
_SDK: Final = (
    "opentelemetry.sdk.trace",
    "opentelemetry.sdk._configuration",
    "opentelemetry.instrumentation.instrumentor",
)
_OURS: Final = ("otel_genai_cost.metering.activation", "otel_genai_cost.metering.processor")
_PEER: Final = "bare span, 15 attributes"
_ROUNDS: Final = 400
_TIMED: Final = 7
"""How often times are taken, in turn; the least of each is kept, since what disturbs only adds."""


def spans() -> Iterator[Result]:
    """The processor, per span that is no call of a model."""
    yield _row("processor, a span that is not GenAI", "span", _PEER, "<= 1.05")
    name = f"{SPANS} such spans in a tenant's request"
    yield _row(name, "request", f"the same, of a {_PEER}", "<= 1.10")


def _row(name: str, shape: str, peer: str, goal: str) -> Result:
    """Instructions, with the ratio of times beside; times alone where instructions cannot be counted."""
    times = [(_time_us(shape, "ours"), _time_us(shape, "bare")) for _ in range(_TIMED)]
    ours_us, bare_us = (min(each) for each in zip(*times, strict=True))
    ours, bare, unit = ours_us, bare_us, "us"
    if counter() is not None:
        ours, bare, unit = _count(shape, "ours"), _count(shape, "bare"), "Minstr"
        peer = f"{peer}; in CPU time {ours_us / bare_us:.2f}"
    return Result(name, ours, bare, peer, unit, ours / bare, goal, machine_noise=0.0)


def _time_us(shape: str, setup: str) -> float:
    return float(_run(shape, setup, None).stdout)


def _count(shape: str, setup: str) -> float:
    return million_instructions(_run(shape, setup, counter())) / _ROUNDS


def _run(shape: str, setup: str, counted_by: Path | None) -> subprocess.CompletedProcess[str]:
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        command = [sys.executable, str(_PROGRAM), shape, setup, folder, str(_ROUNDS)]
        return run_program(command, Path(folder), counted_by)


def imports() -> Iterator[Result]:
    """What activation's import adds to a process that has the SDK already; fresh processes, in turn."""
    times = [(_process_ms(*_SDK, *_OURS), _process_ms(*_SDK)) for _ in range(11)]
    extra = statistics.median(one - other for one, other in times)
    bases = sorted(other for _, other in times)
    yield of_budget(
        "import on top of the SDK", extra, 50, "ms", "<= 1.00", bases[-2] / bases[1] - 1
    )


def _process_ms(*modules: str) -> float:
    """CPU time of a fresh interpreter that imports `modules`."""
    code = f"import time, {', '.join(modules)}; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout) * 1000
