"""The same in event loops, threads and by hand: nobody complains, and the call ends once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_instrumentors import open_calls
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced
from tests.instrumentors.conftest import Recorder
from tests.instrumentors.generating import (
    ERROR,
    METHOD,
    UNFINISHED,
    Client,
    Traced,
    client,
    recorder,
    run,
    silent,
    wrapped_by,
)

__all__ = ["client", "recorder", "silent"]


# --- in event loops ---


def test_a_break_in_an_event_loop_ends_it_there(client: Traced, recorder: Recorder) -> None:
    async def main() -> None:
        async for _ in client.astream():
            break
        for _ in range(5):
            await asyncio.sleep(0)
        assert recorder.only[UNFINISHED] is True

    run(main)
    assert client.whats == ["sent", "a", "closed"]


def test_aclose_ends_it_at_once(client: Traced, recorder: Recorder) -> None:
    async def main() -> None:
        async with contextlib.aclosing(client.astream()) as stream:
            await anext(stream)
        assert recorder.only[UNFINISHED] is True and client.whats[-1] == "closed"

    run(main)


def test_the_end_of_the_event_loop_closes_what_is_held(client: Traced, recorder: Recorder) -> None:
    held: list[Any] = []

    async def main() -> None:
        for _ in range(4):  # in whatever order the loop closes them
            held.append(client.astream())
            await anext(held[-1])

    run(main)
    assert [(span.attributes or {}).get(UNFINISHED) for span in recorder.spans] == [True] * 4
    assert client.whats.count("closed") == 4


def test_a_cancelled_task_ends_it(client: Traced, recorder: Recorder) -> None:
    async def wait_for_ever() -> None:
        client.parts = ("a",)
        async for _ in client.astream():
            started.set()
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(wait_for_ever())
        await started.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        del task
        gc.collect()

    started = asyncio.Event()
    run(main)
    assert recorder.only[UNFINISHED] is True


def test_a_step_that_is_cancelled_ends_it_as_an_error(client: Traced, recorder: Recorder) -> None:
    async def never() -> AsyncGenerator[str, Any]:
        yield "a"
        await asyncio.Event().wait()

    tracer = CallTracer("openai", recorder.provider)
    wrapped = wrapped_by(never, traced(METHOD, tracer))

    async def main() -> None:
        stream = wrapped()
        assert await anext(stream) == "a"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        assert recorder.only[ERROR] == "asyncio.CancelledError"
        assert recorder.only[UNFINISHED] is True
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    run(main)


def test_what_an_event_loop_throws_away_in_the_midst_of_a_step(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Its context is gone with its task: nothing is detached from another one, and nothing complains."""

    async def never() -> str:
        await asyncio.get_running_loop().create_future()
        return ""

    tracer = CallTracer("openai", recorder.provider)
    wrapped = wrapped_by(never, traced(METHOD, tracer))

    async def main() -> Any:
        task = asyncio.create_task(wrapped())
        await asyncio.sleep(0)
        return task.get_coro()

    loop = asyncio.new_event_loop()
    pending: Any = loop.run_until_complete(main())
    loop.set_exception_handler(lambda *_: None)
    loop.close()
    pending.close()
    gc.collect()
    open_calls.drain()
    assert len(recorder.spans) == 1


def test_without_an_event_loop(client: Traced, recorder: Recorder) -> None:
    """Whoever drives it by hand, and throws it away."""

    async def main() -> None:
        async for part in client.astream():
            client.log.append((part, {}, None))

    driven: Any = main()
    driven.send(None)
    driven.send(None)
    with contextlib.suppress(StopIteration):
        while True:
            driven.send(None)
    assert recorder.only["gen_ai.usage.output_tokens"] == 3


# --- elsewhere ---


def test_read_in_another_thread(client: Traced, recorder: Recorder) -> None:
    found: list[Any] = []
    stream = client.stream()
    found.append(next(stream))
    reader = threading.Thread(target=lambda: found.extend(stream))
    reader.start()
    reader.join()
    assert found == ["a", "b", "last"] and len(recorder.spans) == 1


def test_read_by_a_task_for_each_part(client: Traced, recorder: Recorder) -> None:
    async def main() -> list[str]:
        stream = client.astream()
        return [await asyncio.create_task(_next(stream)) for _ in range(3)]

    async def _next(stream: AsyncGenerator[str, Any]) -> str:
        return await anext(stream)

    assert run(main) == ["a", "b", "last"]
    assert len(recorder.spans) == 1 and UNFINISHED not in recorder.only


def test_a_provider_of_spans_that_does_nothing() -> None:
    """Without an SDK, or with its sampler off, the same parts come."""
    tracer = CallTracer("openai", TracerProvider(shutdown_on_exit=False))
    wrapped = wrapped_by(Client.stream, traced(METHOD, tracer))
    assert list(wrapped(Client())) == ["a", "b", "last"]
