"""Streams of chat, read to their end in every way applications do."""

from __future__ import annotations

import collections.abc as abc
import contextlib
import inspect
import itertools
import weakref
from importlib import import_module
from typing import Any

from tests.transparency.observed import App, program

_ASKED = {"stream_options": {"include_usage": True}}
_ABILITIES = (
    *("__iter__", "__next__", "__enter__", "__exit__", "__aiter__", "__anext__", "__aenter__"),
    *("__aexit__", "close", "aclose", "read", "aread", "send", "throw", "response", "_iterator"),
    *("_decoder", "_cast_to", "_client", "until_done", "get_final_completion", "__del__"),
    *("http_response", "headers", "parse", "__wrapped__"),
)


def _see(app: App, chunks: Any) -> None:
    found = list(chunks)
    app.say(
        [type(found[0]), len(found)],
        sum(not chunk.choices for chunk in found),
        sum(chunk.usage is not None for chunk in found),
        [choice.delta.content for chunk in found for choice in chunk.choices],
        [choice.finish_reason for chunk in found for choice in chunk.choices][-1:],
    )


def _abilities(app: App, stream: Any) -> None:
    openai: Any = import_module("openai")
    kinds: tuple[Any, ...] = (openai.Stream, openai.AsyncStream)
    kinds += abc.Iterator, abc.Iterable, abc.AsyncIterator, abc.AsyncIterable, abc.Generator
    kinds += contextlib.AbstractContextManager, contextlib.AbstractAsyncContextManager
    app.say(type(stream), stream.__class__, [isinstance(stream, kind) for kind in kinds])
    app.say([name for name in _ABILITIES if hasattr(stream, name)], sorted(vars(stream)))
    app.say(inspect.isawaitable(stream), inspect.isgenerator(stream), callable(stream))
    app.say(bool(weakref.ref(stream)()), repr(stream), len(inspect.getmro(type(stream))))


@program()
def stream(app: App) -> None:
    chunks = app.client().chat.completions.create(**app.chat(stream=True))
    app.say(
        iter(chunks) is chunks, chunks.response.is_closed, chunks.response.headers["x-request-id"]
    )
    _see(app, chunks)
    app.say(chunks.response.is_closed, next(chunks, "ended"), list(chunks))


@program()
async def stream_async(app: App) -> None:
    async with app.async_client() as client:
        chunks = await client.chat.completions.create(**app.chat(stream=True))
        app.say(aiter(chunks) is chunks, chunks.response.is_closed)
        _see(app, [chunk async for chunk in chunks])
        app.say(chunks.response.is_closed, await anext(chunks, "ended"))


@program()
def stream_asked(app: App) -> None:
    _see(app, app.client().chat.completions.create(**app.chat(stream=True, **_ASKED)))


@program()
async def stream_asked_async(app: App) -> None:
    async with app.async_client() as client:
        chunks = await client.chat.completions.create(**app.chat(stream=True, **_ASKED))
        _see(app, [chunk async for chunk in chunks])


@program()
def stream_refused_usage(app: App) -> None:
    more = {"stream_options": {"include_usage": False}}
    _see(app, app.client().chat.completions.create(**app.chat(stream=True, **more)))


@program()
def stream_asked_in_extra_body(app: App) -> None:
    client = app.client()
    _see(app, client.chat.completions.create(**app.chat(stream=True), extra_body=dict(_ASKED)))
    more = {"usage": {"include": True}}
    _see(app, client.chat.completions.create(**app.chat(stream=True), extra_body=more))


@program("chatty")
def stream_told_unasked(app: App) -> None:
    _see(app, app.client().chat.completions.create(**app.chat(stream=True)))


@program("usage_in_last")
def stream_told_with_finish(app: App) -> None:
    """As Groq, Mistral and others do: usage in the very chunk that ends the choice."""
    _see(app, app.client().chat.completions.create(**app.chat(stream=True)))


@program("azure_first")
def stream_with_filter_chunk(app: App) -> None:
    """Azure's first chunk has neither choices nor usage."""
    _see(app, app.client().chat.completions.create(**app.chat(stream=True)))


@program("no_choices")
def stream_without_choices(app: App) -> None:
    """Gateways send chunks that have no such key at all."""
    chunks = app.client().chat.completions.create(**app.chat(stream=True, **_ASKED))
    app.say([getattr(chunk, "choices", "none") is not None for chunk in chunks])


@program("null_delta")
def stream_without_delta(app: App) -> None:
    """Azure's filters send choices whose delta is null."""
    chunks = app.client().chat.completions.create(**app.chat(stream=True, **_ASKED))
    app.say([bool(chunk.choices and chunk.choices[0].delta) for chunk in chunks])


@program("endless")
def stream_without_finish(app: App) -> None:
    """It ends in order, but no chunk says why."""
    _see(app, app.client().chat.completions.create(**app.chat(stream=True, **_ASKED)))


@program("tool")
def stream_tool_call(app: App) -> None:
    chunks = app.client().chat.completions.create(**app.chat(stream=True, **_ASKED))
    app.say([bool(c.choices and c.choices[0].delta.tool_calls) for c in chunks])


@program()
def stream_abilities(app: App) -> None:
    client = app.client()
    with client.chat.completions.create(**app.chat(stream=True)) as chunks:
        _abilities(app, chunks)
        chunks.mine = "set by the application"
        app.say(chunks.mine, chunks.__dict__["mine"])
        _see(app, chunks)
    client.close()


@program()
async def stream_abilities_async(app: App) -> None:
    async with app.async_client() as client:
        chunks = await client.chat.completions.create(**app.chat(stream=True))
        _abilities(app, chunks)
        await chunks.close()
        app.say(chunks.response.is_closed)


@program()
def stream_served(app: App) -> None:
    """As a web framework hands it on: an async iterable as it is, anything else from a thread pool."""
    chunks = app.client().chat.completions.create(**app.chat(stream=True))
    if isinstance(chunks, abc.AsyncIterable):
        app.say("would be awaited")
    served: Any = chunks
    _see(app, itertools.chain.from_iterable([served]))


@program()
def stream_raw(app: App) -> None:
    raw = app.client().chat.completions.with_raw_response.create(**app.chat(stream=True))
    app.say(raw, raw.headers["x-request-id"], raw.status_code)
    chunks = raw.parse()
    _abilities(app, chunks)
    app.say(raw.parse() is chunks)
    _see(app, chunks)


@program()
async def stream_raw_async(app: App) -> None:
    async with app.async_client() as client:
        completions = client.chat.completions.with_raw_response
        raw = await completions.create(**app.chat(stream=True, **_ASKED))
        app.say(raw, raw.headers["x-request-id"])
        chunks = raw.parse()
        chunks = await chunks if inspect.isawaitable(chunks) else chunks
        _abilities(app, chunks)
        _see(app, [chunk async for chunk in chunks])


@program()
def stream_raw_lines(app: App) -> None:
    """Read past the parser."""
    completions = app.client().chat.completions.with_raw_response
    for more in ({}, _ASKED):
        raw = completions.create(**app.chat(stream=True, **more))
        app.say([line for line in raw.http_response.iter_lines() if line])
    app.say(raw.http_response.is_closed)


@program("chatty")
def stream_response_lines(app: App) -> None:
    client = app.client()
    with client.chat.completions.with_streaming_response.create(
        **app.chat(stream=True)
    ) as response:
        app.say(response, [line for line in response.iter_lines() if line])
    app.say(response.http_response.is_closed)


@program()
async def stream_response_lines_async(app: App) -> None:
    async with app.async_client() as client:
        manager = client.chat.completions.with_streaming_response.create(**app.chat(stream=True))
        async with manager as response:
            app.say([line async for line in response.iter_lines() if line])


@program()
def stream_response_parsed(app: App) -> None:
    client = app.client()
    for more in ({}, _ASKED):
        with client.chat.completions.with_streaming_response.create(
            **app.chat(stream=True, **more)
        ) as response:
            parsed = response.parse()
            _abilities(app, parsed)
            _see(app, parsed)


@program()
async def stream_response_parsed_async(app: App) -> None:
    async with app.async_client() as client:
        manager = client.chat.completions.with_streaming_response.create(**app.chat(stream=True))
        async with manager as response:
            parsed = await response.parse()
            _see(app, [chunk async for chunk in parsed])


@program()
def stream_through_generators(app: App) -> None:
    """Handed on by the application's own generators."""
    client = app.client()

    def words() -> Any:
        with client.chat.completions.create(**app.chat(stream=True)) as chunks:
            for chunk in chunks:
                yield chunk.choices[0].delta.content

    app.say(list(words()))
    first, second = itertools.tee(client.chat.completions.create(**app.chat(stream=True)))
    app.say(len(list(first)), len(list(second)))
    batches = iter(client.chat.completions.create(**app.chat(stream=True)))
    app.say([len(list(itertools.islice(batches, 2))) for _ in range(3)])


@program("json", since=(1, 92))
def stream_helper(app: App) -> None:
    client = app.client()
    for more in ({}, _ASKED):
        manager = client.chat.completions.stream(**app.chat(**more))
        app.say(manager)
        with manager as events:
            _abilities(app, events)
            app.say([event.type for event in events])
            final = events.get_final_completion()
        app.say(final, final.usage, final.choices[0].message.content)


@program("json", since=(1, 92))
async def stream_helper_async(app: App) -> None:
    async with (
        app.async_client() as client,
        client.chat.completions.stream(**app.chat(**_ASKED)) as events,
    ):
        app.say([event.type async for event in events])
        app.say((await events.get_final_completion()).usage.total_tokens)


@program("json")
def stream_helper_beta(app: App) -> None:
    with app.client().beta.chat.completions.stream(**app.chat()) as events:
        app.say([event.type for event in events], events.get_final_completion().usage)


@program("json", since=(1, 92))
def stream_helper_until_done(app: App) -> None:
    with app.client().chat.completions.stream(**app.chat(**_ASKED)) as events:
        app.say(events.until_done() is not None)
    app.say(events.current_completion_snapshot.usage.total_tokens)
