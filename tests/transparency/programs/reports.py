"""What public reports tell of other instrumentations: each a program that theirs broke, or told wrongly of."""

from __future__ import annotations

import inspect
import itertools
import time
from importlib import import_module
from typing import Any

from tests.transparency.observed import App, program

_SLOW_S = 0.05


@program("slow")
def report_parts_come_as_they_are_sent(app: App) -> None:
    """openllmetry 165, sentry-javascript 18962: nothing comes until all is there."""
    begun = time.monotonic()
    chunks = app.client().chat.completions.create(**app.chat(stream=True))
    times = [time.monotonic() - begun for _ in chunks]
    app.say(all(after - before > _SLOW_S for before, after in itertools.pairwise(times)))


@program("slow")
async def report_parts_come_as_they_are_sent_async(app: App) -> None:
    async with app.async_client() as client:
        begun = time.monotonic()
        chunks = await client.chat.completions.create(**app.chat(stream=True))
        times = [time.monotonic() - begun async for _ in chunks]
    app.say(all(after - before > _SLOW_S for before, after in itertools.pairwise(times)))


@program(since=(1, 66))
def report_responses_raw_streams(app: App) -> None:
    """azure-sdk-for-python 48646, python-contrib 4113: neither `parse` nor `headers` on what is raw."""
    client = app.client()
    raw = client.responses.with_raw_response.create(model="gpt-4o-mini", input="hello", stream=True)
    app.say(raw, raw.headers["x-request-id"])
    with raw.parse() as events:
        app.say(events, [event.type for event in events])


@program(since=(1, 66))
async def report_responses_raw_streams_async(app: App) -> None:
    """openllmetry 4476: a stream is taken for a response."""
    async with app.async_client() as client:
        raw = await client.responses.with_raw_response.create(
            model="gpt-4o-mini", input="hello", stream=True
        )
        app.say(raw, raw.headers["x-request-id"])
        events = raw.parse()
        events = await events if inspect.isawaitable(events) else events
        app.say(events, [event.type async for event in events])


@program(since=(1, 66))
async def report_responses_parsed_later(app: App) -> None:
    """python-genai 624: what is parsed with `await` is not seen, as agents' streamed runs do it."""
    async with (
        app.async_client() as client,
        client.responses.with_streaming_response.create(
            model="gpt-4o-mini", input="hello", stream=True
        ) as response,
    ):
        events = await response.parse()
        app.say(response, events, [event.type async for event in events])


@program()
async def report_stream_is_a_context(app: App) -> None:
    """openlit 391, dd-trace-py 9077: a generator in a stream's place is no context manager."""
    client = app.client()
    with client.chat.completions.create(**app.chat(stream=True)) as chunks:
        app.say(chunks, len(list(chunks)))
    with client.completions.create(model="gpt-4o-mini", prompt="a", stream=True) as chunks:
        app.say(chunks, next(iter(chunks)) is not None)
    async with app.async_client() as other:
        made = await other.chat.completions.create(**app.chat(stream=True))
        async with made as chunks:
            app.say(chunks, [bool(chunk.choices) async for chunk in chunks])


@program()
async def report_context_after_a_stream(app: App) -> None:
    """python-genai 491: what was current for a call stays so when its stream is left."""
    trace: Any = import_module("opentelemetry.trace")

    def current() -> bool:
        return bool(trace.get_current_span().get_span_context().is_valid)

    client = app.client()
    seen = [current()]
    stream = client.chat.completions.create(**app.chat(stream=True))
    seen.append(current())
    next(stream)
    seen.append(current())
    del stream
    seen.append(current())
    async with app.async_client() as other:
        chunks = await other.chat.completions.create(**app.chat(stream=True))
        async for _ in chunks:
            seen.append(current())
            break
        await chunks.close()
    app.say([*seen, current()])


@program()
def report_not_streaming(app: App) -> None:
    """litellm 5803, langchain-gradient 29: `stream_options` where nothing is streamed is refused."""
    openai: Any = import_module("openai")
    client = app.client(base_url=app.at("strict422"))
    left_out = getattr(openai, "omit", openai.NOT_GIVEN)
    for stream in (False, None, openai.NOT_GIVEN, left_out):
        app.say(client.chat.completions.create(**app.chat(stream=stream)).usage.total_tokens)


@program()
def report_sentinels(app: App) -> None:
    """openllmetry 3472 and 4431, llm-tracekit 15: a mark for what is not given becomes an attribute, and a warning."""
    openai: Any = import_module("openai")
    client = app.client()
    for mark in {openai.NOT_GIVEN, getattr(openai, "omit", openai.NOT_GIVEN)}:
        more = dict.fromkeys(("temperature", "service_tier", "n", "stream_options", "user"), mark)
        app.say(client.chat.completions.create(**app.chat(**more)).usage.total_tokens)
        app.say(len(list(client.chat.completions.create(**app.chat(stream=True, **more)))))


@program("cut")
async def report_errors_in_a_stream(app: App) -> None:
    """openllmetry 4429, dd-trace-py 6769: an error in a stream is swallowed, or takes the trace with it."""
    client = app.client()
    chunks = client.chat.completions.create(**app.chat(stream=True))
    try:
        for _ in chunks:
            pass
    except Exception as error:
        app.say(error, error.__context__, error.__suppress_context__)
    async with app.async_client() as other:
        stream = await other.chat.completions.create(**app.chat(stream=True))
        try:
            async for _ in stream:
                pass
        except Exception as error:
            app.say(error, error.__context__, error.__suppress_context__)
