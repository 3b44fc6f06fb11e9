"""What reading takes where there is much to read: 300,000 recorded spans, and a ledger of 300,000 calls."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.daemon import ship
from otel_genai_exporters.duckdb import DuckDBSink
from tests.bench.ledger import fill
from tests.bench.measure import Result, of_aim, of_budget
from tests.replay.otlp import START_NS, chat, pairs

_CALLS: Final = 300_000
_FEW: Final = 3_000
_MEMORY_MB: Final = 200
_LINES_AIM: Final = 50_000
_BATCH: Final = 512
_CLIENT: Final = "opentelemetry.instrumentation.genai.openai"
_FRAMEWORK: Final = "opentelemetry.instrumentation.langchain"
_EDGE: Final = "opentelemetry.instrumentation.fastapi"


class _Run(NamedTuple):
    """What a command took: CPU time and peak memory."""

    cpu_s: float
    peak_mb: float
    lines: int


def reading() -> Iterator[Result]:
    """Replay, the JSON of charges and entries, and the page: memory, and lines a second of CPU time, the time that the
    command takes for a hundredth of it taken off."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = (_recorded(Path(folder) / f"{count}.jsonl", count) for count in (_FEW, _CALLS))
        less, more = _run("replay", str(few)), _run("replay", str(many))
        yield _memory("replay of 300,000 spans", more)
        yield _rate("replay, spans a second", less, more, 5_000)
    with tempfile.TemporaryDirectory() as folder:
        few, many = (_booked(Path(folder) / str(count), count) for count in (_FEW, _CALLS))
        for command in ("charges", "entries"):
            less, more = (_run(command, "--json", "--ledger", str(home)) for home in (few, many))
            yield _memory(f"{command} --json of 300,000 calls", more)
            yield _rate(f"{command} --json, lines a second", less, more, _LINES_AIM)
        page = _run("report", "--html", str(many / "page.html"), "--ledger", str(many))
        yield _memory("the page of 300,000 calls", page)
        yield of_budget("the page, CPU time", page.cpu_s, 2, "s", "<= 1.00", 0.0)


def _memory(name: str, run: _Run) -> Result:
    return of_budget(f"{name}, memory", run.peak_mb, _MEMORY_MB, "MB", "<= 1.00", 0.0)


def _rate(name: str, less: _Run, more: _Run, aim: int) -> Result:
    rate = (more.lines - less.lines) / (more.cpu_s - less.cpu_s)
    return of_aim(name, rate, aim, "1/s", ">= 1.00", 0.0)


def _run(*arguments: str) -> _Run:
    """A fresh command, its output counted as it comes."""
    program = str(Path(sys.executable).with_name("genai-cost"))
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = sum(1 for _ in process.stdout)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return _Run(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, lines)


def _booked(home: Path, count: int) -> Path:
    """A ledger, its store and all, that is up to date."""
    fill(home / "journal", 0, count)
    ship(home, [home / "journal"], drain=True, sinks=[DuckDBSink(home / "charges.duckdb")])
    return home


def _recorded(path: Path, count: int) -> Path:
    """Requests of a service: an edge that names the tenant, and a client, every second time below a framework."""
    draw, made, batch = random.Random(1), 0, list[tuple[str, dict[str, Any]]]()
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            if made >= count:
                break
            spans = _request(n, draw)
            made += len(spans) - 1
            batch += spans
            if len(batch) >= _BATCH:
                file.write(_line(batch))
                batch.clear()
        file.write(_line(batch))
    return path


def _request(n: int, draw: random.Random) -> list[tuple[str, dict[str, Any]]]:
    trace_id, took_ns = f"{draw.getrandbits(128):032x}", draw.randrange(200_000_000, 9_000_000_000)
    call = chat(draw.randrange(20, 60_000), draw.randrange(1, 4_000), gen_ai__response__id=f"r-{n}")
    scopes: list[tuple[str, dict[str, object]]] = [
        (_EDGE, {"genai_cost.tenant.id": f"tenant-{n % 50}"}),
        *([(_FRAMEWORK, call)] if n % 2 else []),
        (_CLIENT, call),
    ]
    found, parent = list[tuple[str, dict[str, Any]]](), ""
    for depth, (scope, attributes) in enumerate(scopes):
        span_id = f"{draw.getrandbits(64):016x}"
        times_ns = START_NS + n * 6_000_000 + depth, START_NS + n * 6_000_000 + took_ns - depth
        found.append((scope, _span(trace_id, span_id, parent, times_ns, attributes)))
        parent = span_id
    return found


def _span(
    trace_id: str,
    span_id: str,
    parent: str,
    times_ns: tuple[int, int],
    attributes: Mapping[str, object],
) -> dict[str, Any]:
    return {
        "name": "chat",
        "traceId": trace_id,
        "spanId": span_id,
        "parentSpanId": parent,
        "startTimeUnixNano": str(times_ns[0]),
        "endTimeUnixNano": str(times_ns[1]),
        "attributes": pairs(attributes),
    }


def _line(batch: list[tuple[str, dict[str, Any]]]) -> str:
    scopes: dict[str, list[dict[str, Any]]] = {}
    for scope, one in batch:
        scopes.setdefault(scope, []).append(one)
    blocks = [
        {"scope": {"name": scope, "version": "1.3b0"}, "spans": spans}
        for scope, spans in scopes.items()
    ]
    resource = {"attributes": pairs({"service.name": "shop"})}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": blocks}]}) + "\n"
