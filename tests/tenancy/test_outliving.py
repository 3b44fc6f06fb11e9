"""Tasks and threads that outlive the request that started them: right tenant or none, unless the application says."""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from collections.abc import Iterator

import pytest
from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost import detached, tenant
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of, capture, configure, current_binding
from otel_genai_cost.tenancy.deferred import carried
from otel_genai_cost.tenancy.envelope import inject, job
from tests.forking import printed_by


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    configure()


def _now() -> Attribution:
    return attribution_of(capture(None))


def test_a_call_that_starts_after_its_request_ended_is_nobodys() -> None:
    with tenant("acme"):
        kept = context.get_current()
    assert attribution_of(capture(kept)) == Attribution(absent="stale")


def test_a_call_is_judged_when_it_starts_not_when_it_is_read() -> None:
    with tenant("acme"):
        captured = capture(None)
    assert attribution_of(captured).tenant == "acme"


def test_a_span_made_after_its_call_is_judged_by_when_the_call_started() -> None:
    before_ns = time.time_ns()
    time.sleep(0.002)
    with tenant("acme"):
        inside_ns = time.time_ns()
        time.sleep(0.002)
        kept = context.get_current()
    time.sleep(0.002)
    assert attribution_of(capture(kept, inside_ns)).tenant == "acme"
    assert attribution_of(capture(kept, before_ns)).tenant == "acme"
    assert attribution_of(capture(kept, time.time_ns())).absent == "stale"
    assert attribution_of(capture(kept, time.time_ns() + 10**12)).absent == "stale"


def test_a_clock_that_was_set_back_makes_no_call_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    with tenant("acme"):
        kept = context.get_current()
    back_ns = time.time_ns() - 3_600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: back_ns)
    assert attribution_of(capture(kept, back_ns)).absent == "stale"


def test_what_is_asked_for_just_before_the_end_is_its_own_however_late_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tenant("acme"):
        asked_in, binding = context.get_current(), current_binding()
    assert binding is not None
    end_s = binding.scope.closed_s
    assert end_s is not None
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert attribution_of(capture(carried(asked_in, end_s))).tenant == "acme"
    late = carried(asked_in, math.nextafter(end_s, math.inf))
    assert attribution_of(capture(late)).absent == "stale"


@pytest.mark.parametrize(("grace_s", "tenant_id"), [(0.0, None), (60.0, "acme"), (None, "acme")])
def test_a_team_may_say_how_long_tasks_keep_their_tenant(
    grace_s: float | None, tenant_id: str | None
) -> None:
    configure(grace_s=grace_s)
    with tenant("acme"):
        kept = context.get_current()
    assert attribution_of(capture(kept)).tenant == tenant_id


def test_consumer_started_in_one_request_serves_the_next_as_nobodys() -> None:
    """A thread that a request starts lazily and that then serves everybody."""
    jobs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[Attribution] = queue.SimpleQueue()

    def consume(inherited: Context) -> None:
        context.attach(inherited)
        while jobs.get() is not None:
            done.put(_now())

    found: list[Attribution] = []
    consumer: threading.Thread | None = None
    for name in ("acme", "globex", "initech"):
        with tenant(name):
            if consumer is None:
                consumer = threading.Thread(target=consume, args=(context.get_current(),))
                consumer.start()
            jobs.put(name)
            if name == "acme":  # which waits for its answer: the others have left by then
                found.append(done.get())
        if name != "acme":
            found.append(done.get())
    jobs.put(None)
    assert consumer is not None
    consumer.join()
    assert [one.tenant or one.absent for one in found] == ["acme", "stale", "stale"]


def test_detached_work_stays_its_tenants() -> None:
    async def later() -> str | None:
        await asyncio.sleep(0.01)
        return _now().tenant

    async def run() -> list[str | None]:
        with tenant("acme"):
            bare = asyncio.create_task(later())
            with detached():
                block = asyncio.create_task(later())
            decorated = asyncio.create_task(detached()(later)())
        return [await bare, await block, await decorated]

    assert asyncio.run(run()) == [None, "acme", "acme"]


def test_detached_in_a_thread_whose_request_has_ended() -> None:
    found: list[str | None] = []

    @detached()
    def work() -> None:
        found.append(_now().tenant)

    with tenant("acme"):
        kept = context.get_current()
    token = context.attach(kept)
    try:
        work()
        found.append(_now().tenant)
    finally:
        context.detach(token)
    assert found == ["acme", None]


def test_detached_keeps_labels_and_source_and_binds_nothing_by_itself() -> None:
    with detached():
        assert _now().absent == "missing"
    with tenant("acme", feature="search"):
        outside = _now()
        with detached():
            assert _now() == outside


def test_detached_takes_no_tenant_over_from_before_a_fork() -> None:
    program = """
from otel_genai_cost import detached, tenant
from otel_genai_cost.tenancy.binding import attribution_of, capture

def says():
    with detached():
        return int(attribution_of(capture(None)).absent == "stale")

with tenant("acme"):
    print(in_child(says))
"""
    assert printed_by(program) == ["1"]


def test_a_message_sent_by_what_outlived_its_request_names_no_tenant() -> None:
    with tenant("acme", feature="search"):
        assert "tenant.id=acme" in inject({})["baggage"]
        kept = context.get_current()
    token = context.attach(kept)
    try:
        assert "acme" not in inject({}).get("baggage", "")
    finally:
        context.detach(token)


def test_what_a_job_leaves_running_is_nobodys_afterwards() -> None:
    with tenant("acme"):
        carrier = inject({})
    with job(carrier):
        assert _now().tenant == "acme"
        kept = context.get_current()
    assert attribution_of(capture(kept)).absent == "stale"
