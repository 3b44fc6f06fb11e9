"""Streams that are left before their end, and closed, or not."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tests.transparency.observed import App, program


@program()
def left_by_break(app: App) -> None:
    client = app.client()
    for chunk in client.chat.completions.create(**app.chat(stream=True)):
        app.say(chunk.choices[0].delta.content)
        break


@program()
async def left_by_break_async(app: App) -> None:
    async with app.async_client() as client:
        chunks = await client.chat.completions.create(**app.chat(stream=True))
        async for _ in chunks:
            break
        app.say(chunks.response.is_closed)


@program()
def left_by_close(app: App) -> None:
    client = app.client()
    chunks = client.chat.completions.create(**app.chat(stream=True))
    next(chunks)
    app.say(chunks.close(), chunks.response.is_closed)
    app.say(chunks.close())  # what is left to read depends on what had arrived by then


@program()
def left_by_with(app: App) -> None:
    client = app.client()
    with client.chat.completions.create(**app.chat(stream=True)) as chunks:
        next(chunks)
    app.say(chunks.response.is_closed)
    with contextlib.closing(client.chat.completions.create(**app.chat(stream=True))) as chunks:
        next(chunks)
    app.say(chunks.response.is_closed)


@program()
async def left_by_aclosing(app: App) -> None:
    """An older client's stream has no aclose, and so fails to be closed that way."""
    async with app.async_client() as client:
        chunks = await client.chat.completions.create(**app.chat(stream=True))
        try:
            async with contextlib.aclosing(chunks):
                await anext(chunks)
        except AttributeError as error:
            app.say(error)
            await chunks.close()
        app.say(chunks.response.is_closed)


@program()
async def left_by_close_async(app: App) -> None:
    async with app.async_client() as client:
        chunks = await client.chat.completions.create(**app.chat(stream=True))
        await anext(chunks)
        app.say(await chunks.close(), chunks.response.is_closed)
        async with await client.chat.completions.create(**app.chat(stream=True)) as chunks:
            await anext(chunks)
        app.say(chunks.response.is_closed)


@program()
def left_at_finish(app: App) -> None:
    """An ordinary loop: it stops at the finish reason, and the usage that follows is never read."""
    client = app.client()
    more = {"stream_options": {"include_usage": True}}
    chunks = client.chat.completions.create(**app.chat(stream=True, **more))
    for chunk in chunks:
        if chunk.choices and chunk.choices[0].finish_reason:
            break
    app.say(chunks.response.is_closed)


@program()
def left_at_usage(app: App) -> None:
    client = app.client()
    more = {"stream_options": {"include_usage": True}}
    for chunk in client.chat.completions.create(**app.chat(stream=True, **more)):
        if chunk.usage:
            app.say(chunk.usage.total_tokens)
            break


@program()
def left_unread(app: App) -> None:
    client = app.client()
    app.say(client.chat.completions.create(**app.chat(stream=True)))
    raw = client.chat.completions.with_raw_response.create(**app.chat(stream=True))
    app.say(raw.headers["x-request-id"])


@program()
def left_in_a_cycle(app: App) -> None:
    class Turn:
        def __init__(self) -> None:
            self.me: Any = self
            self.chunks: Any = None

    client = app.client()
    turn = Turn()
    turn.chunks = client.chat.completions.create(**app.chat(stream=True))
    app.say(next(turn.chunks).choices[0].delta.content)


@program("slow")
async def left_by_cancel(app: App) -> None:
    async with app.async_client() as client:
        seen: list[str] = []

        async def read() -> None:
            async for chunk in await client.chat.completions.create(**app.chat(stream=True)):
                seen.append(chunk.choices[0].delta.content)
                started.set()

        started = asyncio.Event()
        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            app.say(error, task.cancelled())
        app.say(bool(seen))


@program()
async def left_by_error(app: App) -> None:
    """The application's own error passes through its stream."""
    async with app.async_client() as client:
        chunks = await client.chat.completions.create(**app.chat(stream=True))
        try:
            async with chunks:
                await anext(chunks)
                raise LookupError("the application's own")
        except LookupError as error:
            app.say(error, chunks.response.is_closed)


@program()
def left_by_error_in_generator(app: App) -> None:
    client = app.client()

    def words() -> Any:
        try:
            for chunk in client.chat.completions.create(**app.chat(stream=True)):
                yield chunk.choices[0].delta.content
        finally:
            app.say("finally")

    made = words()
    app.say(next(made))
    made.close()
