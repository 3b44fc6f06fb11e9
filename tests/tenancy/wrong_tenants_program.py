"""The ways in which a call is charged to somebody else elsewhere, in one application under `opentelemetry-instrument`.

Each case makes calls for acme, globex and nobody, acme's first, and what outlives acme's request serves the others. A
call is named by its case and by whom it is for; the tests read in the journal to whom it went.
"""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import Any, Final

from otel_genai_cost import job, tenant
from tests.edges.calls import call

__all__ = ["CASES", "WHO"]

WHO: Final = ("acme", "globex", "none")


def _request(who: str) -> AbstractContextManager[Any]:
    return job(None) if who == "none" else tenant(who)


def _library(name: str) -> Any:
    """Untyped, and loaded when its case runs."""
    return importlib.import_module(name)


def pools_that_are_forked() -> None:
    """Workers that are forked in acme's request."""
    kind = multiprocessing.get_context("fork")
    executor = ProcessPoolExecutor(1, mp_context=kind)
    with tenant("acme"):
        executor.submit(call, "fork-executor/acme-first").result()
        pool = kind.Pool(1)
    with executor, pool:
        for who in WHO:
            with _request(who):
                executor.submit(call, f"fork-executor/{who}").result()
                pool.apply(call, (f"fork-pool/{who}",))


def _started_by_the_first(work: Callable[[], object], put: Callable[[str], object]) -> None:
    """A thread that acme's request starts, and an item of each request."""
    thread = threading.Thread(target=work)
    for who in WHO:
        with _request(who):
            if who == "acme":
                thread.start()
            put(who)
    put("")
    thread.join()


def thread_that_a_request_starts() -> None:
    """A micro-batcher: a thread that begins with the first item."""
    items: queue.Queue[str] = queue.Queue()

    def work() -> None:
        while who := items.get():
            call(f"thread/{who}")

    _started_by_the_first(work, items.put)


def thread_that_nothing_is_carried_to() -> None:
    """The same, by a queue that says of no item who put it; acme's request has ended by then."""
    items: queue.SimpleQueue[str] = queue.SimpleQueue()
    are_over = threading.Event()

    def put(who: str) -> None:
        items.put(who)
        if not who:
            are_over.set()

    def work() -> None:
        are_over.wait()
        while who := items.get():
            call(f"thread-blind/{who}")

    _started_by_the_first(work, put)


def task_that_a_request_starts() -> None:
    """The same in an event loop: once by a queue, and once by a list."""

    async def main() -> None:
        items: asyncio.Queue[str] = asyncio.Queue()
        listed: list[str] = []
        are_over = asyncio.Event()

        async def work() -> None:
            while who := await items.get():
                call(f"task/{who}")

        async def blind() -> None:
            await are_over.wait()
            for who in listed:
                call(f"task-blind/{who}")

        tasks: list[asyncio.Task[None]] = []
        for who in WHO:
            with _request(who):
                if not tasks:
                    tasks += [asyncio.create_task(work()), asyncio.create_task(blind())]
                items.put_nowait(who)
                listed.append(who)
        items.put_nowait("")
        are_over.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def callback_on_a_pool() -> None:
    """A future's callback, which runs on a thread that acme's request has started."""
    with ThreadPoolExecutor(1) as pool:
        with tenant("acme"):
            pool.submit(call, "callback/acme-first").result()
        for who in WHO:
            begun, is_done = Future[None](), threading.Event()

            def back(_: object, who: str = who, is_done: threading.Event = is_done) -> None:
                call(f"callback/{who}")
                is_done.set()

            with _request(who):
                pool.submit(begun.result).add_done_callback(back)
                begun.set_result(None)
                assert is_done.wait(20)


def scheduler_that_a_request_starts() -> None:
    """APScheduler in a thread: what recurs, and what runs once."""
    scheduler = _library("apscheduler.schedulers.background").BackgroundScheduler(timezone="UTC")
    seen: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work(name: str) -> None:
        seen.put(call(name))

    with tenant("acme"):
        scheduler.start()
        scheduler.add_job(work, "interval", seconds=0.05, args=["cron/none"])
    missing = {"cron/none"}
    for who in WHO:
        with _request(who):
            scheduler.add_job(work, args=[f"once/{who}"])
        missing.add(f"once/{who}")
    while missing:
        missing.discard(seen.get(timeout=20))
    scheduler.shutdown()


def scheduler_in_a_loop() -> None:
    """APScheduler in an event loop, whose timer is whoever's request set it last."""

    async def main() -> None:
        scheduler = _library("apscheduler.schedulers.asyncio").AsyncIOScheduler(timezone="UTC")
        seen: asyncio.Queue[str] = asyncio.Queue()

        async def work(name: str) -> None:
            seen.put_nowait(call(name))

        with tenant("acme"):
            scheduler.start()
            scheduler.add_job(work, "interval", seconds=0.05, args=["loop-cron/none"])
        for who in WHO:
            with _request(who):
                at = datetime.fromtimestamp(time.time() + 0.1, timezone.utc)
                scheduler.add_job(work, "date", run_date=at, args=[f"loop-once/{who}"])
        missing = {"loop-cron/none", *(f"loop-once/{who}" for who in WHO)}
        while missing:
            missing.discard(await asyncio.wait_for(seen.get(), 20))
        scheduler.shutdown()

    asyncio.run(main())


def sampling_by_mcp() -> None:
    """A session over stdio that acme's request opens; its client samples for each tool that is called."""
    mcp, types = _library("mcp"), _library("mcp.types")

    async def sample(_: Any, params: Any) -> Any:
        call(params.messages[0].content.text)
        said = types.TextContent(type="text", text="yes")
        return types.CreateMessageResult(role="assistant", content=said, model="m")

    async def main() -> None:
        launched = [sys.executable, "-m", __spec__.name, "mcp-server"]
        server = mcp.StdioServerParameters(
            command=os.environ["LAUNCHER"], args=launched, env=dict(os.environ)
        )
        with tenant("acme"):
            client = mcp.Client(server, sampling_callback=sample, mode="legacy")
            await client.__aenter__()
        for who in WHO:
            with _request(who):
                answer = await client.call_tool("work", {"name": f"sampling/{who}"})
                assert not answer.is_error, answer
        await client.__aexit__(None, None, None)

    asyncio.run(main())


def mcp_server() -> None:
    """A tool that has its client ask a model, and then asks one itself."""
    types, classes = _library("mcp.types"), _library("mcp.server.mcpserver")
    server = classes.MCPServer("q")

    async def work(name: str, context: Any) -> str:
        content = types.TextContent(type="text", text=name)
        message = types.SamplingMessage(role="user", content=content)
        asked = context.request_id
        await context.session.create_message([message], max_tokens=1, related_request_id=asked)
        return call(name.replace("sampling", "tool"))

    work.__annotations__["context"] = classes.Context  # which its server looks for
    server.tool()(work)
    asyncio.run(server.run_stdio_async())


def _work(name: str) -> None:
    call(name)


def worker_that_keeps_a_context() -> None:
    """Dramatiq: one thread that works on a message of acme's, then of globex's, then on one without an envelope."""
    dramatiq = _library("dramatiq")
    broker = _library("dramatiq.brokers.stub").StubBroker()
    dramatiq.set_broker(broker)
    actor = dramatiq.actor(_work, actor_name="call")
    with tenant("acme"):
        worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=50)
        worker.start()
    for who in WHO:
        with _request(who):
            actor.send(f"actor/{who}")
    broker.join("default", timeout=20_000)
    worker.stop()


def _celery() -> Any:
    app = _library("celery").Celery("q", broker="memory://")
    app.conf.worker_enable_remote_control = False
    return app


def _worked_on(app: Any, send: Callable[[], list[Any]], started_in: str) -> None:
    """By a worker of Celery in a thread that a request has started and that is open all the time."""
    start_worker = _library("celery.contrib.testing.worker").start_worker
    done = threading.Semaphore(0)

    def work(name: str) -> None:
        call(name)
        done.release()

    app.task(name="call")(work)
    sent = send()
    with _request(started_in), start_worker(app, pool="solo", perform_ping_check=False):
        for _ in sent:
            assert done.acquire(timeout=20)


def context_around_a_worker() -> None:
    """Messages with and without an envelope, to a worker in acme's request."""
    app = _celery()

    def send() -> list[Any]:
        sent: list[Any] = []
        for who in WHO:
            with _request(who):
                sent.append(app.send_task("call", (f"around/{who}",)))
        return sent

    _worked_on(app, send, "acme")
    with tenant("acme"), job({}):
        call("around-job/none")


def forged_headers_of_a_message() -> None:
    """Somebody who can write to a queue names a victim."""
    app = _celery()
    forged = {"baggage": "tenant.id=victim", "headers": {"baggage": "tenant.id=victim"}}

    def send() -> list[Any]:
        with tenant("acme"):
            right = app.send_task("call", ("forged/acme",))
        return [right, app.send_task("call", ("forged/none",), headers=forged)]

    _worked_on(app, send, "globex")


def forged_headers_of_a_request() -> None:
    """Anybody can send a header that names a victim."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    api = FastAPI()
    api.get("/call")(_endpoint)
    forged = {"baggage": "tenant.id=victim,genai_cost.initiator=system"}
    with TestClient(api) as client:
        for who in WHO:
            headers = {} if who == "none" else {"x-org-id": who}
            asked = client.get("/call", params={"name": f"spoofed/{who}"}, headers=headers | forged)
            assert asked.status_code == 200


async def _endpoint(name: str) -> str:
    return call(name)


CASES: Final[dict[str, Callable[[], None]]] = {
    case.__name__: case
    for case in (
        pools_that_are_forked,  # while there is one thread
        thread_that_a_request_starts,
        thread_that_nothing_is_carried_to,
        task_that_a_request_starts,
        callback_on_a_pool,
        scheduler_that_a_request_starts,
        scheduler_in_a_loop,
        sampling_by_mcp,
        worker_that_keeps_a_context,
        context_around_a_worker,
        forged_headers_of_a_message,
        forged_headers_of_a_request,
    )
}

if __name__ == "__main__":
    if sys.argv[1] == "mcp-server":
        mcp_server()
    for _case in [] if sys.argv[1] == "mcp-server" else sys.argv[1:]:
        CASES[_case]()
