"""The start of a stream is journalled, so that a call whose process ends in disorder is known of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.reports.coverage import coverage, coverage_record
from otel_genai_cost.reports.selection import EVERYTHING
from otel_genai_cost.tenancy.binding import tenant
from tests.metering.conftest import CALL, Metered

_ASKED = {key: value for key, value in CALL.items() if ".usage." not in key}
_STREAM = {**_ASKED, "gen_ai.request.stream": True}
_USAGE = {key: value for key, value in CALL.items() if ".usage." in key}


def test_start_has_the_id_the_tenant_and_the_place_of_what_comes(metered: Metered) -> None:
    tracer = metered.tracer()
    with tenant("acme"), tracer.start_as_current_span("request"):
        span = tracer.start_span("chat gpt-4o-mini", attributes=_STREAM)
        (start,) = metered.started
        assert metered.journalled == []
        span.set_attributes(_USAGE)
        span.end()
    (end,) = metered.journalled
    same = ("id", "trace_id", "span_id", "path", "start_us", "origin", "scope", "attribution")
    assert [getattr(start, name) for name in same] == [getattr(end, name) for name in same]
    assert start.attribution.tenant == "acme"
    assert (start.cost.status, start.cost.reason) == ("unpriced", "unfinished")
    assert (start.reading.model_requested, start.end_us) == ("gpt-4o-mini", start.start_us)
    assert end.cost.status == "priced"


@pytest.mark.parametrize(
    ("starts", "attributes", "begun"),
    [
        ("streams", _STREAM, 1),
        ("streams", _ASKED, 0),
        ("streams", {**_ASKED, "gen_ai.request.stream": False}, 0),
        ("streams", {**_STREAM, **_USAGE}, 0),  # made when all was over
        ("all", _ASKED, 1),
        ("all", {"http.request.method": "GET"}, 0),
        ("all", {"gen_ai.operation.name": "execute_tool"}, 0),
        ("off", _STREAM, 0),
    ],
)
def test_which_starts_are_journalled(
    make: Callable[..., Metered], starts: str, attributes: dict[str, Any], begun: int
) -> None:
    metered = make(starts=starts)
    metered.tracer().start_span("chat", attributes=attributes).end()
    assert len(metered.started) == begun


def test_start_of_what_was_no_call_is_withdrawn(metered: Metered, tmp_path: Path) -> None:
    span = metered.tracer().start_span("chat", attributes=_STREAM)
    span.set_attribute("gen_ai.operation.name", "execute_tool")
    span.end()
    (start,), (end,) = metered.started, metered.journalled
    assert (end.id, end.reading.role) == (start.id, "context")
    ship(tmp_path / "ledger", [metered.folder], drain=True)
    ledger = Ledger(tmp_path / "ledger" / LEDGER_FILE, readonly=True)
    assert list(ledger.entries()) == []
    assert coverage(ledger, EVERYTHING).unfinished == 0


_PRELUDE = """
import multiprocessing, os, signal, sys, time
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from otel_genai_cost import install, tenant
ASKED, USAGE = eval(os.environ["ASKED"]), eval(os.environ["USAGE"])
def begin():
    return trace.get_tracer("opentelemetry.instrumentation.genai.openai").start_span(
        "chat gpt-4o-mini", attributes=ASKED)
def whole():
    span = begin(); span.set_attributes(USAGE); span.end()
def meter():
    trace.set_tracer_provider(TracerProvider()); install(quiet=True)
"""

_ENDS = {
    "os._exit": "meter()\nwith tenant('acme'): whole(); held = begin()\nos._exit(0)",
    "kill -9": "meter()\nwith tenant('acme'): whole(); held = begin()\nos.kill(os.getpid(), 9)",
    "SIGTERM": "meter()\nwith tenant('acme'): whole(); held = begin()\nos.kill(os.getpid(), 15); time.sleep(9)",
    "fork, child killed": (
        "meter()\n"
        "if os.fork() == 0:\n"
        "    with tenant('acme'): whole(); held = begin()\n"
        "    os.kill(os.getpid(), 9)\n"
        "os.wait()"
    ),
    "multiprocessing, fork": (
        "meter()\n"
        "def work():\n"
        "    global held\n"
        "    with tenant('acme'): whole(); held = begin()\n"
        "child = multiprocessing.get_context('fork').Process(target=work); child.start(); child.join()"
    ),
    "multiprocessing, terminated": (
        "meter()\n"
        "def work():\n"
        "    global held\n"
        "    with tenant('acme'): whole(); held = begin()\n"
        "    print('on', flush=True); time.sleep(60)\n"
        "child = multiprocessing.get_context('fork').Process(target=work); child.start()\n"
        "time.sleep(0.5); child.terminate(); child.join()"
    ),
}


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "ASKED": repr(_STREAM),
        "USAGE": repr(_USAGE),
        "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
    }


@pytest.mark.parametrize("end", _ENDS)
def test_open_stream_of_a_process_that_ends_in_disorder_is_a_liability(
    tmp_path: Path, end: str
) -> None:
    """A span that nobody ends: another instrumentation's, or a client's in a process that is killed."""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PRELUDE + _ENDS[end]],
        env=_environment(tmp_path),
        check=False,
        timeout=60,
        capture_output=True,
    )
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    ledger = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    booked = {(e.attribution.tenant, e.reason, e.calls, e.unpriced) for e in ledger.entries()}
    assert booked == {("acme", None, 1, 0), ("acme", "unfinished", 1, 1)}
    found = coverage_record(coverage(ledger, EVERYTHING))
    assert (found["unfinished"], found["unpriced"], found["captured_share"]) == (1, 1, "0.5000")


def test_coverage_counts_a_stream_that_runs(tmp_path: Path) -> None:
    program = (
        "meter()\nwith tenant('acme'): held = begin()\nprint('on', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", _PRELUDE + program],
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert _coverage(tmp_path) == (1, 0, 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert _coverage(tmp_path) == (1, 1, 1)


def _coverage(home: Path) -> tuple[int, int, int]:
    code = "from otel_genai_cost.cli import main; main()"
    command = [sys.executable, "-c", code, "coverage", "--json", "--ledger", str(home)]
    done = subprocess.run(
        command, env=_environment(home), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["billed"] is found["unexplained"] is None
    return found["observations"], found["shipped"], found["unfinished"]


_CELERY = """
import os, sys
from pathlib import Path
from celery import Celery
from celery.signals import worker_process_init
folder = Path(os.environ["QUEUE"])
for name in ("messages", "control"): (folder / name).mkdir(parents=True, exist_ok=True)
app = Celery("app", broker="filesystem://", changes={"broker_transport_options": {
    "data_folder_in": str(folder / "messages"), "data_folder_out": str(folder / "messages"),
    "control_folder": str(folder / "control"), "polling_interval": 0.1}})
held = []
@worker_process_init.connect
def on(**_):
    meter()
@app.task(name="job")
def job():
    with tenant("acme"): whole(); held.append(begin())
    (folder / "done").touch()
"""


def test_open_stream_in_a_celery_child(tmp_path: Path) -> None:
    """Its children end without atexit; the worker is stopped in order."""
    module = tmp_path / "celery_app.py"
    module.write_text(_PRELUDE + _CELERY)
    environment = {**_environment(tmp_path), "QUEUE": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-c", "1", "-l", "ERROR"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ask = (
        "import celery_app, pathlib, time; celery_app.job.delay()\n"
        "while not pathlib.Path('done').exists(): time.sleep(0.1)"
    )
    subprocess.run(
        [sys.executable, "-c", ask], env=environment, cwd=tmp_path, check=True, timeout=60
    )
    worker.terminate()
    worker.wait(60)
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    ledger = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    booked = {(e.attribution.tenant, e.reason, e.calls, e.unpriced) for e in ledger.entries()}
    assert booked == {("acme", None, 1, 0), ("acme", "unfinished", 1, 1)}
