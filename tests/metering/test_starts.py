"""The start of a stream is journalled, so that a call whose process ends in disorder is known of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context

from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reports.coverage import coverage, coverage_record
from otel_genai_cost.reports.selection import EVERYTHING
from otel_genai_cost.tenancy.blocks import tenant
from otel_genai_cost.tenancy.refusals import refusals
from tests.metering.conftest import Metered
from tests.metering.start_programs import ASKED, PRELUDE, STREAM, USAGE, environment


def test_start_has_the_id_the_tenant_and_the_place_of_what_comes(metered: Metered) -> None:
    tracer = metered.tracer()
    with tenant("acme"), tracer.start_as_current_span("request"):
        span = tracer.start_span("chat gpt-4o-mini", attributes=STREAM)
        (start,) = metered.started
        assert metered.journalled == []
        span.set_attributes(USAGE)
        span.end()
    (end,) = metered.journalled
    same = ("id", "trace_id", "span_id", "path", "start_us", "origin", "scope", "attribution")
    assert [getattr(start, name) for name in same] == [getattr(end, name) for name in same]
    assert start.attribution.tenant == "acme"
    assert (start.cost.status, start.cost.reason) == ("unpriced", "unfinished")
    assert (start.reading.model_requested, start.end_us) == ("gpt-4o-mini", start.start_us)
    assert end.cost.status == "priced"


def test_tenant_that_is_not_believed_is_counted_once_a_call(metered: Metered) -> None:
    before = refusals.get("stale", 0)
    with tenant("acme"):
        left_behind = context.get_current()
    span = metered.tracer().start_span("chat", context=left_behind, attributes=STREAM)
    (start,) = metered.started
    assert start.attribution.absent == "stale"
    assert refusals.get("stale", 0) == before
    span.set_attributes(USAGE)
    span.end()
    assert refusals["stale"] == before + 1


@pytest.mark.parametrize(
    ("starts", "attributes", "begun"),
    [
        ("streams", STREAM, 1),
        ("streams", ASKED, 0),
        ("streams", {**ASKED, "gen_ai.request.stream": False}, 0),
        ("streams", {**STREAM, **USAGE}, 0),  # made when all was over
        ("all", ASKED, 1),
        ("all", {"http.request.method": "GET"}, 0),
        ("all", {"gen_ai.operation.name": "execute_tool"}, 0),
        ("off", STREAM, 0),
    ],
)
def test_which_starts_are_journalled(
    make: Callable[..., Metered], starts: str, attributes: dict[str, Any], begun: int
) -> None:
    metered = make(starts=starts)
    metered.tracer().start_span("chat", attributes=attributes).end()
    assert len(metered.started) == begun


def test_start_of_what_was_no_call_is_withdrawn(metered: Metered, tmp_path: Path) -> None:
    span = metered.tracer().start_span("chat", attributes=STREAM)
    span.set_attribute("gen_ai.operation.name", "execute_tool")
    span.end()
    (start,), (end,) = metered.started, metered.journalled
    assert (end.id, end.reading.role) == (start.id, "context")
    ship(tmp_path / "ledger", [metered.folder], drain=True)
    with closing(Ledger(tmp_path / "ledger" / LEDGER_FILE, readonly=True)) as ledger:
        assert list(ledger.entries) == []
        assert coverage(ledger, EVERYTHING).unfinished == 0


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


@pytest.mark.parametrize("end", _ENDS)
def test_open_stream_of_a_process_that_ends_in_disorder_is_a_liability(
    tmp_path: Path, end: str
) -> None:
    """A span that nobody ends: another instrumentation's, or a client's in a process that is killed."""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRELUDE + _ENDS[end]],
        env=environment(tmp_path),
        check=False,
        timeout=60,
        capture_output=True,
    )
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    with closing(Ledger(tmp_path / LEDGER_FILE, readonly=True)) as ledger:
        booked = {(e.attribution.tenant, e.reason, e.calls, e.unpriced) for e in ledger.entries}
        found = coverage_record(coverage(ledger, EVERYTHING))
    assert booked == {("acme", None, 1, 0), ("acme", "unfinished", 1, 1)}
    assert (found["unfinished"], found["unpriced"], found["captured_share"]) == (1, 1, "0.5000")
