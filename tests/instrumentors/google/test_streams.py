"""Streams of the `google-genai` client that end before their end, however: one observation each, no complaint."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry import context

from otel_genai_cost.testing.standin.script import Answer, Usage
from otel_genai_instrumentors.gemini_answers import fold_generated
from tests.instrumentors.google.conftest import Metered

_FLASH = "gemini-2.5-flash"
_ANSWER = Answer(Usage(347, 120, reasoning_tokens=61), text="one two three four", part_delay_s=0.01)


def _stream(metered: Metered) -> Iterator[Any]:
    metered.standin.script.next(_ANSWER)
    return metered.client().models.generate_content_stream(model=_FLASH, contents="hi")


def _is_left(metered: Metered, parts: int = 2) -> None:
    """What is known is the input, and what had come of the output; nobody says that it is all."""
    (one,) = metered.observations
    usage = one.reading.usage
    assert (one.reading.error, usage.quality, usage.leaves["input"]) == (
        "unfinished",
        "estimated",
        347,
    )
    assert usage.leaves["output"] == 120 * (parts - 1) // 4
    assert context.get_current() == {}


def test_break(metered: Metered) -> None:
    stream = _stream(metered)
    next(stream)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    _is_left(metered)


def test_garbage(metered: Metered) -> None:
    stream = _stream(metered)
    next(stream)
    next(stream)
    del stream
    gc.collect()
    _is_left(metered)


def test_an_error_in_the_consumer(metered: Metered) -> None:
    def consume() -> None:
        for n, _ in enumerate(_stream(metered)):
            if n == 1:
                raise KeyError(n)

    with pytest.raises(KeyError):
        consume()
    gc.collect()
    _is_left(metered)


def test_an_error_thrown_into_it(metered: Metered) -> None:
    stream: Any = _stream(metered)
    next(stream)
    next(stream)
    with pytest.raises(KeyError):
        stream.throw(KeyError("x"))
    (one,) = metered.observations
    assert one.reading.usage.quality == "estimated"


def test_a_stream_that_is_never_asked_is_no_call(metered: Metered) -> None:
    stream = _stream(metered)
    assert inspect.isgenerator(stream)
    del stream
    gc.collect()
    assert not metered.spans
    assert not metered.standin.received


def test_a_connection_that_breaks(metered: Metered) -> None:
    metered.standin.script.next(_ANSWER._replace(cuts_after=2))
    stream = metered.client().models.generate_content_stream(model=_FLASH, contents="hi")
    with pytest.raises(Exception, match=r"peer closed|incomplete"):
        list(stream)
    (one,) = metered.observations
    assert one.reading.usage.quality == "estimated"
    assert one.reading.usage.leaves["input"] == 347


def test_a_stream_that_ends_without_a_reason(metered: Metered) -> None:
    metered.standin.script.next(_ANSWER._replace(ends_after=2))
    assert (
        len(list(metered.client().models.generate_content_stream(model=_FLASH, contents="hi"))) == 2
    )
    _is_left(metered)


def test_all_but_the_end_of_a_stream(metered: Metered) -> None:
    """Its last part has the reason and all of the usage."""
    stream = _stream(metered)
    for _ in range(4):
        next(stream)
    del stream
    gc.collect()
    assert metered.observed == metered.billed
    (one,) = metered.observations
    assert (one.reading.error, one.reading.usage.quality) == (None, "reported")


async def _two_parts(metered: Metered) -> tuple[Any, AsyncIterator[Any]]:
    metered.standin.script.next(_ANSWER)
    client = metered.client().aio
    stream = await client.models.generate_content_stream(model=_FLASH, contents="hi")
    await anext(stream)
    await anext(stream)
    return client, stream


def test_async_close(metered: Metered) -> None:
    async def run() -> None:
        client, stream = await _two_parts(metered)
        await stream.aclose()  # type: ignore[attr-defined]
        await client.aclose()

    asyncio.run(run())
    _is_left(metered)


def test_async_garbage(metered: Metered) -> None:
    async def run() -> None:
        client, stream = await _two_parts(metered)
        del stream
        gc.collect()
        await asyncio.sleep(0.05)
        await client.aclose()

    asyncio.run(run())
    _is_left(metered)


def test_async_error_in_the_consumer(metered: Metered) -> None:
    async def run() -> None:
        client, stream = await _two_parts(metered)
        try:
            async for _ in stream:
                raise KeyError("x")
        finally:
            await stream.aclose()  # type: ignore[attr-defined]
            await client.aclose()

    with pytest.raises(KeyError):
        asyncio.run(run())
    _is_left(metered, parts=3)


def test_cancelled_while_it_waits_for_a_part(metered: Metered) -> None:
    async def run() -> None:
        metered.standin.script.next(_ANSWER._replace(stalls_after=2))
        async with metered.client().aio as client:
            stream = await client.models.generate_content_stream(model=_FLASH, contents="hi")

            async def consume() -> None:
                async for _ in stream:
                    pass

            task = asyncio.create_task(consume())
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    metered.standin.release()
    (one,) = metered.observations
    assert one.reading.usage.quality == "estimated"
    assert one.reading.usage.leaves["input"] == 347


def test_cancelled_before_an_answer(metered: Metered) -> None:
    async def run() -> None:
        metered.standin.script.next(_ANSWER._replace(hangs=True))
        async with metered.client().aio as client:
            call = client.models.generate_content(model=_FLASH, contents="hi")
            task = asyncio.create_task(call)
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    metered.standin.release()
    (one,) = metered.observations
    assert (one.reading.error, one.reading.usage.quality) == ("asyncio.CancelledError", "unknown")
    assert one.cost.status == "unpriced"


def test_usage_that_comes_after_the_reason_counts_and_what_waited_before_it_does_not() -> None:
    """Parts amid a stream are read when it has ended, after the one that ends it."""
    reason = {"candidates": [{"finishReason": "STOP"}]}

    def used(output: int, **more: Any) -> dict[str, Any]:
        return {**more, "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": output}}

    found: dict[str, Any] = {}
    for chunk in (used(20, **reason), used(30), used(10)):
        fold_generated(found, chunk)
    assert found["gen_ai.usage.output_tokens"] == 30
    assert found["gen_ai.response.finish_reasons"] == ["STOP"]
