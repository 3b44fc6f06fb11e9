"""A stream stays the client's own object in every respect, and its call ends once, whatever becomes of it."""

from __future__ import annotations

import asyncio
import collections.abc as abc
import contextlib
import gc
import os
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors import open_calls
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.instrumentors.conftest import Recorder

ASK: list[Any] = [{"role": "user", "content": "what does this cost?"}]
TOLD: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
_ABILITIES = ("__next__", "__anext__", "__iter__", "__aiter__", "__enter__", "__aenter__", "aclose")


@pytest.fixture
def client(standin: OpenAIStandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
        yield client


def _seen(stream: Any) -> dict[str, Any]:
    """All that an application can find out about a stream without reading it."""
    return {
        "type": type(stream),
        "class": stream.__class__,
        "is": [
            isinstance(stream, kind)
            for kind in (
                *(openai.Stream, openai.AsyncStream),
                *(abc.Iterator, abc.Iterable, abc.AsyncIterator, abc.AsyncIterable),
                *(contextlib.AbstractContextManager, contextlib.AbstractAsyncContextManager),
            )
        ],
        "has": [name for name in (*_ABILITIES, "close") if hasattr(stream, name)],
        "attributes": sorted(vars(stream)),
        "response": (type(stream.response), sorted(vars(stream.response))),
    }


def _sync_stream(url: str) -> dict[str, Any]:
    with openai.OpenAI(base_url=url, api_key="k") as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
        with contextlib.closing(stream):
            return _seen(stream)


def _async_stream(url: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        async with openai.AsyncOpenAI(base_url=url, api_key="k") as client:
            stream = await client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
            try:
                return _seen(stream)
            finally:
                await stream.close()

    return asyncio.run(look())


@pytest.mark.parametrize("look", [_sync_stream, _async_stream])
def test_a_stream_is_what_it_would_be_without_us(
    look: Any, standin: OpenAIStandIn, recorder: Recorder
) -> None:
    ours = look(standin.url)
    assert len(recorder.spans) == 1
    OpenAIInstrumentor().uninstrument()
    assert look(standin.url) == ours
    assert len(recorder.spans) == 1


@pytest.mark.usefixtures("asked")
def test_chunks_are_what_they_would_be_had_we_not_asked(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    create = client.chat.completions.create
    ours = list(create(model="gpt-4o", messages=ASK, stream=True))
    OpenAIInstrumentor().uninstrument()
    plain = list(create(model="gpt-4o", messages=ASK, stream=True))
    fields = [chunk.to_dict().keys() for chunk in ours]
    assert fields == [chunk.to_dict().keys() for chunk in plain]


def test_closing_it_closes_the_connection(client: openai.OpenAI, recorder: Recorder) -> None:
    for owner, close in (("", "close"), ("response", "close"), ("", "__exit__")):
        stream: Any = client.chat.completions.create(model="gpt-4o", messages=ASK, **TOLD)
        next(stream)
        of = getattr(stream, owner) if owner else stream
        getattr(of, close)(*([None] * 3 if close == "__exit__" else []))
        assert stream.response.is_closed
    assert [
        span.attributes["genai_cost.unfinished"] for span in recorder.spans if span.attributes
    ] == [True] * 3


def test_the_helper_closes_it_too(client: openai.OpenAI, recorder: Recorder) -> None:
    with client.chat.completions.stream(model="gpt-4o", messages=ASK) as stream:
        next(iter(stream))
        assert recorder.spans == ()
    assert recorder.only["genai_cost.unfinished"] is True


def test_its_span_ends_with_the_usage_not_with_what_the_caller_does_next(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=ASK, **TOLD)
    for chunk in stream:
        if chunk.usage:
            break
    assert recorder.only["gen_ai.usage.input_tokens"] > 0
    assert "genai_cost.unfinished" not in recorder.only
    list(stream)
    del stream
    gc.collect()
    open_calls.end_all()
    assert len(recorder.spans) == 1


def test_an_abandoned_stream_ends_when_it_was_abandoned(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=ASK, **TOLD)
    next(stream)
    del stream
    gc.collect()
    left_ns = time.time_ns()
    assert not recorder.spans
    time.sleep(0.05)
    client.embeddings.create(model="text-embedding-3-small", input="x")
    span = recorder.spans[0]
    assert span.end_time is not None and span.end_time <= left_ns
    assert span.attributes and span.attributes["genai_cost.unfinished"] is True


def test_the_end_of_the_process_ends_what_is_open(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    kept = client.chat.completions.create(model="gpt-4o", messages=ASK, **TOLD)
    next(kept)
    open_calls.end_all()
    assert recorder.only["genai_cost.unfinished"] is True
    list(kept)
    assert len(recorder.spans) == 1


def test_a_child_ends_none_of_its_parents(client: openai.OpenAI, recorder: Recorder) -> None:
    kept = client.chat.completions.create(model="gpt-4o", messages=ASK, **TOLD)
    next(kept)
    child = os.fork()
    if child == 0:
        open_calls.end_all()
        open_calls.drain()
        os._exit(len(recorder.spans))
    assert os.waitpid(child, 0)[1] == 0
    kept.close()
    assert len(recorder.spans) == 1


def test_more_open_streams_than_there_is_room_for_are_counted(
    client: openai.OpenAI, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_calls, "_OPEN_MAX", 0)
    before = open_calls.dropped["open_streams"]
    assert list(client.chat.completions.create(model="gpt-4o", messages=ASK, **TOLD))
    assert open_calls.dropped["open_streams"] == before + 1
    assert len(recorder.spans) == 1


def test_an_async_call_begins_when_it_is_awaited(
    standin: OpenAIStandIn, recorder: Recorder
) -> None:
    async def calls() -> None:
        async with openai.AsyncOpenAI(base_url=standin.url, api_key="k") as client:
            create = client.chat.completions.create
            pending: Any = create(model="gpt-4o", messages=ASK)
            assert asyncio.iscoroutine(pending) and "create" in repr(pending)
            await asyncio.sleep(0.05)
            awaited_ns = time.time_ns()
            await pending
            (span,) = recorder.spans
            assert span.start_time is not None and span.start_time >= awaited_ns
            with pytest.raises(TypeError):
                create(model="gpt-4o")  # type: ignore[call-overload]

    asyncio.run(calls())
    assert len(recorder.spans) == 1


def test_a_stream_that_is_cancelled_ends(standin: OpenAIStandIn, recorder: Recorder) -> None:
    asked: list[Any] = [{"role": "user", "content": "[slow]"}]

    async def read(client: openai.AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(model="gpt-4o", messages=asked, **TOLD)
        async for _ in stream:
            reading.set()

    async def cancel() -> None:
        async with openai.AsyncOpenAI(base_url=standin.url, api_key="k") as client:
            task = asyncio.create_task(read(client))
            await reading.wait()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    reading = asyncio.Event()
    asyncio.run(cancel())
    assert recorder.only["error.type"] == "asyncio.CancelledError"
    assert recorder.only["genai_cost.unfinished"] is True
