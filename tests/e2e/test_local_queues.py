"""A micro-batcher that the first request starts, under plain `opentelemetry-instrument`: right tenant or none."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.demo.processes import ROOT, children, instrumented
from tests.demo.stage import clean_environment
from tests.e2e.rig import observations_in

_PROGRAM = """
import queue, threading, time
from otel_genai_cost import tenant
from tests.edges.calls import call

jobs, started = queue.Queue(), []

def serve():
    while True:
        name = jobs.get()
        time.sleep(0.02)
        call(name)
        jobs.task_done()

def request(name):
    if not started:
        started.append(threading.Thread(target=serve, daemon=True))
        started[0].start()
    jobs.put(name)

for at in range(3):
    for name in ("acme", "globex"):
        with tenant(name):
            request(f"{name}-{at}")
    request(f"nobody-{at}")
jobs.join()
"""


def test_each_item_is_for_whoever_put_it(tmp_path: Path) -> None:
    environment = {
        **clean_environment(),
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        **{f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")},
        "OTEL_GENAI_COST_JOURNAL": str(tmp_path / "journal"),
    }
    with children() as family:
        command = instrumented(sys.executable, "-c", _PROGRAM)
        child = family.start("application", command, tmp_path / "log", environment)
        assert child.wait(60) == 0, child.output()
    found = {
        one.reading.response_id: one.attribution.tenant or "nobody"
        for one in observations_in(tmp_path / "journal")
    }
    names = ("acme", "globex", "nobody")
    assert found == {f"{name}-{at}": name for name in names for at in range(3)}
