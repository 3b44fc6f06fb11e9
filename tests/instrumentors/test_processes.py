"""Processes and pools: each call is for whoever started or submitted it, and never for whoever came first."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

from otel_genai_cost import job, tenant
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
