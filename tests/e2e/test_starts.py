"""Streams that are open while the ledger is asked, and as Celery's children end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.store import Ledger
from tests.metering.start_programs import PRELUDE, environment


def test_coverage_counts_a_stream_that_runs(tmp_path: Path) -> None:
    program = (
        "meter()\nwith tenant('acme'): held = begin()\nprint('on', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + program],
        env=environment(tmp_path),
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
        command, env=environment(home), capture_output=True, text=True, check=True
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
    module.write_text(PRELUDE + _CELERY)
    given = {**environment(tmp_path), "QUEUE": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-c", "1", "-l", "ERROR"],
        env=given,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ask = (
        "import celery_app, pathlib, time; celery_app.job.delay()\n"
        "while not pathlib.Path('done').exists(): time.sleep(0.1)"
    )
    subprocess.run([sys.executable, "-c", ask], env=given, cwd=tmp_path, check=True, timeout=60)
    worker.terminate()
    worker.wait(60)
    ship(tmp_path, [tmp_path / "journal"], drain=True)
    with closing(Ledger(tmp_path / LEDGER_FILE, readonly=True)) as ledger:
        booked = {(e.attribution.tenant, e.reason, e.calls, e.unpriced) for e in ledger.entries}
    assert booked == {("acme", None, 1, 0), ("acme", "unfinished", 1, 1)}
