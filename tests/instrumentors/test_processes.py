"""Processes and pools: each call is for whoever started or submitted it, and never for whoever came first."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

from otel_genai_cost import job, tenant
from otel_genai_cost.tenancy import processes
from otel_genai_instrumentors.queues.futures import FuturesInstrumentor
from tests.instrumentors.process_program import TENANTS, now

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program found, in a folder for temporary files of its own."""
    folder = tmp_path_factory.mktemp("temporary")
    program = [sys.executable, "-m", "tests.instrumentors.process_program"]
    done = subprocess.run(
        program,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [*folder.glob("genai-cost-*")] == [], "what says that a request has ended is gone"
    return json.loads(done.stdout)  # type: ignore[no-any-return]


_WAYS = ("fork", "spawn", "forkserver")


@pytest.mark.parametrize("way", _WAYS)
def test_a_process_is_its_requests_while_that_is_open(found: dict[str, Any], way: str) -> None:
    assert found[way]["started"] == {
        "acme": ["acme", "acme", "stale"],
        "globex": ["globex"] * 3,  # detached
        "None": ["missing"] * 3,
    }


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("name", TENANTS)
def test_a_pools_task_is_for_whoever_submits_it(
    found: dict[str, Any], way: str, name: str | None
) -> None:
    right = name or "missing"
    assert found[way][f"executor {name}"] == [right] * 3
    assert found[way][f"pool {name}"] == [right] * 11


@pytest.mark.parametrize("name", TENANTS)
def test_a_pool_of_threads(found: dict[str, Any], name: str | None) -> None:
    assert found["threads"][str(name)] == [name or "missing"] * 11


def test_a_process_of_a_process(found: dict[str, Any]) -> None:
    assert found["nested"] == "acme"


_KILLED = """
import multiprocessing, os, signal, time
from tests.instrumentors.process_program import now, tenant

def outlives(answers):
    first = now()
    os.write(answers, first.encode())
    while now() == first:
        time.sleep(0.05)
    os.write(answers, f" {now()}".encode())

with tenant("acme"):
    multiprocessing.get_context("fork").Process(target=outlives, args=(1,)).start()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_request_has_ended_whose_process_was_killed(tmp_path: Path) -> None:
    """Whoever it started goes on, for nobody, and takes the file away."""
    done = subprocess.run(
        [sys.executable, "-c", _KILLED],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "acme stale")
    assert [*tmp_path.glob("genai-cost-*")] == []


def test_what_a_killed_process_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(processes, "_cleared", [])
    left, fresh, held = (tmp_path / f"genai-cost-scope-{name}" for name in ("left", "new", "held"))
    for path in (left, fresh, held):
        path.write_bytes(b"\0" * 8)
    for path in (left, held):
        os.utime(path, (1, 1))
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(held)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with tenant("acme"):
            envelope = processes.process_envelope()
        assert envelope is not None and sorted(tmp_path.iterdir()) == sorted((fresh, held))
        holder.communicate()


_HOLDS = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def _callbacks() -> Iterator[None]:
    instrumentors = ThreadingInstrumentor(), FuturesInstrumentor()
    for one in instrumentors:
        one.instrument()
    yield
    for one in instrumentors:
        one.uninstrument()


@pytest.mark.usefixtures("_callbacks")
def test_a_callback_is_for_whoever_adds_it() -> None:
    seen: list[str] = []
    with ThreadPoolExecutor(1) as pool, tenant("acme"):
        pool.submit(now).result()  # the thread begins in acme's request
        for name in TENANTS[1:]:
            begun = Future[None]()
            with job(None) if name is None else tenant(name):
                future = pool.submit(begun.result)
                future.add_done_callback(lambda _: seen.append(now()))
                begun.set_result(None)
                pool.submit(now).result()  # what the thread does after the callback
    assert seen == ["globex", "missing"]


@pytest.mark.usefixtures("_callbacks")
def test_asyncio_waits_for_futures_as_before() -> None:
    async def handler(name: str) -> tuple[str, str]:
        with tenant(name):
            inside = await asyncio.get_running_loop().run_in_executor(None, now)
            return inside, now()

    async def both() -> tuple[tuple[str, str], tuple[str, str]]:
        return await asyncio.gather(handler("acme"), handler("globex"))

    assert [*asyncio.run(both())] == [("acme", "acme"), ("globex", "globex")]
