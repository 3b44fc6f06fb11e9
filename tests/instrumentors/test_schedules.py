"""APScheduler and gevent: what is scheduled or spawned is for whoever did so, what runs again and again is nobody's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from threading import Event
from typing import Any

import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

from otel_genai_cost import system, tenant
from otel_genai_instrumentors.queues.apscheduler import APSchedulerInstrumentor
from otel_genai_instrumentors.queues.multiprocessing import MultiprocessingInstrumentor
from tests.instrumentors.process_program import TENANTS, now, request

BackgroundScheduler: Any = pytest.importorskip(
    "apscheduler.schedulers.background"
).BackgroundScheduler
AsyncIOScheduler: Any = pytest.importorskip("apscheduler.schedulers.asyncio").AsyncIOScheduler


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    every = ThreadingInstrumentor(), APSchedulerInstrumentor(), MultiprocessingInstrumentor()
    for one in every:
        one.instrument()
    yield
    for one in every:
        one.uninstrument()


def _soon() -> datetime:
    return datetime.now(timezone.utc) + timedelta(milliseconds=200)


def _wait_for(seen: dict[str, list[str]], keys: int) -> None:
    until_s = time.monotonic() + 20
    while len(seen) < keys and time.monotonic() < until_s:
        time.sleep(0.02)


@pytest.mark.parametrize("starts_in", TENANTS)
def test_a_scheduler_that_a_request_started(starts_in: str | None) -> None:
    """One-off jobs of each request, at once and later; one that recurs, and what outlives its job."""
    seen: dict[str, list[str]] = {}
    lazily, done = Event(), Event()

    def note(key: str) -> None:
        seen.setdefault(key, []).append(now())

    def leaves_a_thread() -> None:
        from threading import Thread

        def later() -> None:
            lazily.wait(20)
            note("left")
            done.set()

        Thread(target=later, daemon=True).start()

    scheduler = BackgroundScheduler(timezone="UTC")
    with request(starts_in):
        scheduler.start()
        scheduler.add_job(note, "interval", seconds=0.1, args=["recurring"])
        for name in TENANTS:
            with request(name):
                scheduler.add_job(note, args=[f"{name} now"])
                scheduler.add_job(note, "date", run_date=_soon(), args=[f"{name} later"])
        with tenant("acme"):
            left = scheduler.add_job(leaves_a_thread)
    _wait_for(seen, 7)
    while scheduler.get_job(left.id) is not None:
        time.sleep(0.02)
    time.sleep(0.1)
    scheduler.shutdown()
    lazily.set()
    done.wait(20)
    assert set(seen.pop("recurring")) == {"missing"}
    assert seen.pop("left") == ["stale"]
    nobody = starts_in or "missing"
    for name in TENANTS:
        right = [nobody if name is None else name]
        assert (seen[f"{name} now"], seen[f"{name} later"]) == (right, right)


def test_a_scheduler_in_an_event_loop() -> None:
    seen: dict[str, list[str]] = {}

    async def note(key: str) -> None:
        await asyncio.sleep(0)
        seen.setdefault(key, []).append(now())

    def plain(key: str) -> None:
        seen.setdefault(key, []).append(now())

    async def main() -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        with tenant("acme"):
            scheduler.start()
            scheduler.add_job(note, "interval", seconds=0.1, args=["recurring"])
        for name in ("globex", None):
            with request(name):
                scheduler.add_job(note, args=[f"{name} coroutine"])
                scheduler.add_job(plain, "date", run_date=_soon(), args=[f"{name} function"])
        with system("reindex"):
            scheduler.add_job(note, args=["system"])
        for _ in range(400):
            await asyncio.sleep(0.02)
            if len(seen) == 6:
                break
        scheduler.shutdown()

    asyncio.run(main())
    assert set(seen.pop("recurring")) == {"missing"}
    assert seen == {
        "globex coroutine": ["globex"],
        "globex function": ["globex"],
        "None coroutine": ["missing"],
        "None function": ["missing"],
        "system": ["system"],
    }


def test_a_job_that_fails_or_moves_is_still_whose_it_was() -> None:
    seen: dict[str, list[str]] = {}

    def fails(key: str) -> None:
        seen.setdefault(key, []).append(now())
        raise ValueError(key)

    scheduler = BackgroundScheduler(timezone="UTC")
    with tenant("acme"):
        waiting = scheduler.add_job(fails, "date", run_date=_soon(), args=["moved"])
        recurs = scheduler.add_job(fails, "date", run_date=_soon(), args=["recurs"])
    with tenant("globex"):
        scheduler.start()
        waiting.reschedule("date", run_date=_soon())
        recurs.reschedule("interval", seconds=0.1)
    _wait_for(seen, 2)
    scheduler.shutdown()
    assert seen["moved"] == ["acme"]
    assert set(seen["recurs"]) == {"missing"}


_GEVENT = """
from gevent import monkey
monkey.patch_all()
import contextvars, gevent
from gevent.pool import Pool
from otel_genai_cost import detached, tenant
from otel_genai_instrumentors.queues.gevent import GeventInstrumentor
from tests.instrumentors.process_program import now, request, TENANTS
GeventInstrumentor().instrument()

ours = contextvars.ContextVar("ours", default=None)
ours.set("the application's")
assert gevent.spawn(ours.get).get() is None, "as without us"
pool, threads = Pool(1), gevent.get_hub().threadpool
for name in TENANTS:
    with request(name):
        right = name or "missing"
        found = [gevent.spawn(now), gevent.spawn_later(0.01, now), pool.spawn(now), pool.apply_async(now)]
        assert [one.get() for one in found] == [right] * 4, name
        assert pool.map(now, [1, 2]) == [right] * 2
        assert list(pool.imap_unordered(now, [1, 2])) == [right] * 2
        assert threads.spawn(now).get() == threads.apply(now) == right
over = gevent.event.Event()
def later():
    over.wait()
    return now()
with tenant("acme"):
    left = gevent.spawn(later)
    with detached():
        kept = gevent.spawn(later)
    gevent.sleep(0)
over.set()
assert (left.get(), kept.get()) == ("stale", "acme")
GeventInstrumentor().uninstrument()
with tenant("acme"):
    assert gevent.spawn(now).get() == "missing"
print("fine")
"""


def test_greenlets() -> None:
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", _GEVENT], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "fine\n", done.stderr
