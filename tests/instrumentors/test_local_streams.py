"""anyio's streams and janus' queues carry whoever puts an item to a worker that serves everybody, as Python's own
queues do, and nobody else who uses them is disturbed."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from opentelemetry import context

from otel_genai_cost import detached, tenant
from otel_genai_cost.errors import failures
from otel_genai_cost.tenancy import carried
from otel_genai_instrumentors.queues.anyio import AnyioInstrumentor
from otel_genai_instrumentors.queues.janus import JanusInstrumentor
from tests.instrumentors.put_by import (
    PUT_BY,
    RIGHT,
    as_request,
    instrumented,
    now,
    request,
)

janus: Any = pytest.importorskip("janus")

_BACKENDS = ("asyncio", "trio")


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    before = dict(failures)
    with instrumented(AnyioInstrumentor(), JanusInstrumentor()):
        yield
    assert failures == before


async def _by_receive(stream: Any) -> int:
    found: int = await stream.receive()
    return found


async def _by_loop(stream: Any) -> int:
    found: int = await anext(stream)
    return found


async def _by_clone(stream: Any) -> int:
    with stream.clone() as clone:
        return await _by_receive(clone)


async def _at_once(stream: Any) -> int:
    while True:
        try:
            found: int = stream.receive_nowait()
        except anyio.WouldBlock:
            assert now() == "nobody"
            await anyio.sleep(0)
        else:
            return found


@pytest.mark.parametrize("backend", _BACKENDS)
@pytest.mark.parametrize("room", [0, 1, 10])
@pytest.mark.parametrize("next_of", [_by_receive, _by_loop, _by_clone, _at_once])
def test_a_task_that_serves_everybody(backend: str, room: int, next_of: Any) -> None:
    """Items that wait for room, for a receiver, or that go straight to one."""
    seen: list[str] = []

    async def worker(stream: Any) -> None:
        with stream:
            for at in range(len(PUT_BY)):
                assert await next_of(stream) == at
                seen.append(now())
                await anyio.sleep(0)
                assert seen[-1] == now()

    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](room)
        async with anyio.create_task_group() as group, send:
            with tenant("acme"):  # in a request that ends before anything is sent
                group.start_soon(worker, receive)
            for at, name in enumerate(PUT_BY):
                with request(name):
                    await send.send(at)

    anyio.run(main, backend=backend)
    assert seen == RIGHT


@pytest.mark.parametrize("backend", _BACKENDS)
def test_the_same_item_of_several_and_what_was_not_sent(backend: str) -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        send, receive = anyio.create_memory_object_stream[str](len(PUT_BY))
        with send, receive:
            for name in PUT_BY:
                as_request(name, lambda: send.send_nowait("the same"))
            with tenant("full"):
                with pytest.raises(anyio.WouldBlock):
                    send.send_nowait("the same")
                with anyio.move_on_after(0.01):
                    await send.send("the same")
            for _ in PUT_BY:
                await receive.receive()
                seen.append(now())
            as_request(None, lambda: send.send_nowait("the same"))
            await receive.receive()
            return [*seen, now()]

    assert anyio.run(main, backend=backend) == [*RIGHT, "nobody"]


@pytest.mark.parametrize("backend", _BACKENDS)
def test_a_receiver_that_is_cancelled_forgets_what_is_lost_and_nothing_else(backend: str) -> None:
    async def main() -> tuple[object, str]:
        send, receive = anyio.create_memory_object_stream[Any](10)
        with send, receive:
            for _ in range(50):
                async with anyio.create_task_group() as group:
                    group.start_soon(receive.receive)
                    await anyio.wait_all_tasks_blocked()
                    as_request("acme", lambda: send.send_nowait(_Client()))
                    group.cancel_scope.cancel()
            with anyio.move_on_after(0.01):
                await receive.receive()
            lost = dict(vars(receive._state).get("_genai_cost_held") or {})
            as_request("globex", lambda: send.send_nowait(_Client()))
            with anyio.CancelScope() as scope:
                scope.cancel()
                await receive.receive()
            await receive.receive()
            return lost, now()

    assert anyio.run(main, backend=backend) == ({}, "globex")


def test_what_a_worker_leaves_is_nobodys_once_it_asks_for_more() -> None:
    async def later() -> str:
        await anyio.sleep(0.01)
        return now()

    async def main() -> list[str]:
        send, receive = anyio.create_memory_object_stream[int](1)
        with send, receive:
            as_request("acme", lambda: send.send_nowait(1))
            await receive.receive()
            left = asyncio.create_task(later())
            with detached():
                kept = asyncio.create_task(later())
            with anyio.move_on_after(0.001):
                await receive.receive()
            return [now(), await left, await kept]

    assert anyio.run(main) == ["nobody", "nobody", "acme"]


class _Connection:
    """Is opened and closed."""

    async def __aexit__(self, *_: object) -> None: ...


class _Client:
    """Has nothing that shows what it is."""


@pytest.mark.parametrize("kind", [_Connection, _Client])
def test_pools_and_answers(kind: type) -> None:
    """What is put back carries nobody, and a request that waits for an answer stays its own."""

    async def main() -> list[str]:
        send, receive = anyio.create_memory_object_stream[Any](1)
        with send, receive:
            send.send_nowait(kind())
            for name in ("acme", "globex"):
                with tenant(name):
                    send.send_nowait(receive.receive_nowait())
            await receive.receive()
            seen = [now()]
            as_request("globex", lambda: send.send_nowait("an answer"))
            with tenant("acme"):
                await receive.receive()
                return [*seen, now()]

    assert anyio.run(main) == ["nobody", "acme"]


def test_a_stream_keeps_nothing_of_what_was_received() -> None:
    async def main() -> tuple[object, object]:
        send, receive = anyio.create_memory_object_stream[Any](1)
        with send, receive:
            with tenant("acme"):
                send.send_nowait(item := _Client())
                kept_in = weakref.ref(context.get_current())
            known = weakref.ref(item)
            del item
            await receive.receive()
            with pytest.raises(anyio.WouldBlock):
                receive.receive_nowait()
            gc.collect()
            return known(), kept_in()

    assert anyio.run(main) == (None, None)


def test_what_is_thrown_away_from_outside_changes_nothing_there() -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](0)
        with send, receive:
            for waiting in (receive.receive(), send.send(1)):
                contextvars.copy_context().run(waiting.send, None)
                with tenant("globex"):
                    before = context.get_current()
                    waiting.close()
                    assert context.get_current() is before

    anyio.run(main)


def test_streams_that_are_closed_fail_as_without_us() -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](1)
        with tenant("acme"):
            await send.send(1)
        send.close()
        with pytest.raises(anyio.ClosedResourceError):
            await send.send(2)
        assert await receive.receive() == 1
        with pytest.raises(anyio.EndOfStream):
            await receive.receive()
        receive.close()
        with pytest.raises(anyio.ClosedResourceError):
            receive.receive_nowait()

    anyio.run(main)


def test_starlettes_middleware_sends_responses_by_such_streams() -> None:
    """What follows in the same request is its tenant's; the next one, in the same loop, is its own."""
    from starlette.applications import Starlette
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    seen: list[tuple[str, str]] = []

    async def parts(name: str) -> AsyncIterator[bytes]:
        with tenant(name):
            for _ in range(3):
                yield b"part "
                await asyncio.sleep(0)

    async def endpoint(request: Any) -> Any:
        name = request.query_params.get("for")
        if name is None:
            seen.append(("none", now()))
            return PlainTextResponse("nobody")
        with tenant(name):
            await asyncio.sleep(0.01)
            seen.append((name, now()))
        return StreamingResponse(parts(name))

    async def dispatch(request: Any, call_next: Any) -> Any:
        seen.append(("before", now()))
        return await call_next(request)

    app = Starlette(routes=[Route("/", endpoint)])
    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)

    async def ask(query: str) -> bytes:
        body: list[bytes] = []

        async def send(message: Any) -> None:
            body.append(message.get("body", b""))

        async def receive() -> Any:
            await asyncio.sleep(1 if body else 0)
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "app": app}
        await app({**scope, "query_string": query.encode()}, receive, send)
        return b"".join(body)

    async def main() -> list[bytes]:
        together = await asyncio.gather(ask("for=acme"), ask(""), ask("for=globex"))
        return [*together, await ask("for=acme"), await ask("")]

    answers = asyncio.run(main())
    assert answers == [b"part " * 3, b"nobody", b"part " * 3, b"part " * 3, b"nobody"]
    assert {found for asked, found in seen if asked in ("none", "before")} == {"nobody"}
    assert {asked for asked, found in seen if asked == found} == {"acme", "globex"}


@pytest.mark.parametrize("side", ["thread", "task"])
def test_janus(side: str) -> None:
    """Put by threads and tasks in turn, and worked on by one of them."""
    seen: list[str] = []

    def thread(jobs: Any) -> None:
        for _ in PUT_BY:
            jobs.get()()
            jobs.task_done()

    async def task(jobs: Any) -> None:
        for _ in PUT_BY:
            (await jobs.get())()
            jobs.task_done()

    def note() -> None:
        seen.append(now())

    async def main() -> None:
        jobs = janus.Queue()
        with tenant("acme"):  # in a request that ends before anything is put
            working = asyncio.create_task(
                task(jobs.async_q) if side == "task" else asyncio.to_thread(thread, jobs.sync_q)
            )
        for at, name in enumerate(PUT_BY):
            if at % 2:
                await asyncio.to_thread(as_request, name, lambda: jobs.sync_q.put(note))
            else:
                as_request(name, lambda: jobs.async_q.put_nowait(note))
            await jobs.async_q.join()
        await working
        jobs.close()
        await jobs.wait_closed()

    asyncio.run(main())
    assert seen == RIGHT


@pytest.mark.parametrize("kind", ["PriorityQueue", "LifoQueue"])
def test_janus_of_another_order_carries_nothing(kind: str) -> None:
    async def main() -> str:
        jobs = getattr(janus, kind)()
        as_request("acme", lambda: jobs.async_q.put_nowait(1))
        as_request("globex", lambda: jobs.sync_q.put(2))
        await jobs.async_q.get()
        found = now()
        await jobs.aclose()
        return found

    assert asyncio.run(main()) == "nobody"


def test_they_can_be_switched_off() -> None:
    carried.configure(local_queues=False)
    try:
        assert [*AnyioInstrumentor().patches(), *JanusInstrumentor().patches()] == []
    finally:
        carried.configure(local_queues=True)
