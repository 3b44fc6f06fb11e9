"""Calls that fail, and those that never were one."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from importlib import import_module
from typing import Any

from tests.transparency.observed import App, program


def _tries(app: App, call: Any) -> None:
    try:
        app.say(call())
    except Exception as error:
        app.say(error, getattr(error, "status_code", None), getattr(error, "body", None))


def _stream(app: App, client: Any, **more: Any) -> None:
    seen = 0
    try:
        for _ in client.chat.completions.create(**app.chat(stream=True, **more)):
            seen += 1
    except Exception as error:
        app.say(error)
    app.say(seen)


@program()
def error_arguments(app: App) -> None:
    """Never left the application."""
    client = app.client()
    _tries(app, lambda: client.chat.completions.create())
    _tries(app, lambda: client.chat.completions.create(model="gpt-4o-mini"))
    _tries(app, lambda: client.chat.completions.create(**app.chat(nonsense=1)))
    _tries(app, lambda: client.chat.completions.create("gpt-4o-mini"))
    _tries(app, lambda: client.embeddings.create(input="a"))
    _tries(app, lambda: client.chat.completions.create(**app.chat(user=object())))


@program()
def error_unreachable(app: App) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    refused = app.client(base_url=f"http://127.0.0.1:{port}/v1")
    _tries(app, lambda: refused.chat.completions.create(**app.chat()))
    nowhere = app.client(base_url="http://nowhere.invalid/v1")
    _tries(app, lambda: nowhere.chat.completions.create(**app.chat()))
    _stream(app, refused)


@program()
async def error_unreachable_async(app: App) -> None:
    async with app.async_client(base_url="http://nowhere.invalid/v1") as client:
        try:
            await client.chat.completions.create(**app.chat())
        except Exception as error:
            app.say(error)


@program()
def error_closed_client(app: App) -> None:
    client = app.client()
    client.close()
    _tries(app, lambda: client.chat.completions.create(**app.chat()))


@program("unauthorized")
def error_unauthorized(app: App) -> None:
    client = app.client()
    _tries(app, lambda: client.chat.completions.create(**app.chat()))
    _tries(app, lambda: client.chat.completions.with_raw_response.create(**app.chat()))
    _stream(app, client)


@program("fails")
def error_server(app: App) -> None:
    _tries(app, lambda: app.client(max_retries=1).chat.completions.create(**app.chat()))


@program("busy")
def error_busy_then_answered(app: App) -> None:
    answer = app.client(max_retries=2).chat.completions.create(**app.chat())
    app.say(answer.id, answer.usage.total_tokens)


@program("fails_once")
async def error_once_then_streamed(app: App) -> None:
    async with app.async_client(max_retries=2) as client:
        chunks = await client.chat.completions.create(
            **app.chat(stream=True, stream_options={"include_usage": True})
        )
        app.say(len([chunk async for chunk in chunks]))


@program("hangs")
def error_timeout(app: App) -> None:
    _tries(app, lambda: app.client(timeout=0.2).chat.completions.create(**app.chat()))


@program("hangs_once")
def error_timeout_then_answered(app: App) -> None:
    """The provider has billed the answer that nobody waited for."""
    answer = app.client(timeout=0.4, max_retries=2).chat.completions.create(**app.chat())
    app.say(answer.id)


@program("hangs")
async def error_cancelled(app: App) -> None:
    async with app.async_client() as client:
        task = asyncio.create_task(client.chat.completions.create(**app.chat()))
        await asyncio.sleep(0.2)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        app.say(task.cancelled())


@program("hangs")
async def error_waited_for_too_short(app: App) -> None:
    async with app.async_client() as client:
        try:
            await asyncio.wait_for(client.chat.completions.create(**app.chat()), 0.2)
        except asyncio.TimeoutError as error:
            app.say(error)


@program()
async def error_never_awaited(app: App) -> None:
    """A call that is made and never awaited is no call."""
    async with app.async_client() as client:
        client.chat.completions.create(**app.chat()).close()


@program("broken")
def error_broken_answer(app: App) -> None:
    _tries(app, lambda: app.client().chat.completions.create(**app.chat()))


@program("broken")
def error_broken_chunk(app: App) -> None:
    client = app.client()
    _stream(app, client)
    client.close()


@program("cut")
def error_cut_answer(app: App) -> None:
    _tries(app, lambda: app.client().chat.completions.create(**app.chat()))


@program("cut")
def error_cut_stream(app: App) -> None:
    client = app.client()
    _stream(app, client)
    _stream(app, client, stream_options={"include_usage": True})


@program("cut")
async def error_cut_stream_async(app: App) -> None:
    async with app.async_client() as client:
        try:
            async for chunk in await client.chat.completions.create(**app.chat(stream=True)):
                app.say(chunk.choices[0].delta.content)
        except Exception as error:
            app.say(error)


@program("error_event")
def error_in_stream(app: App) -> None:
    _stream(app, app.client())


@program("stalls")
def error_stalled_stream(app: App) -> None:
    _stream(app, app.client(timeout=0.3))


@program("strict422")
def error_strict_host(app: App) -> None:
    """Refuses what it does not know; so the application asks for nothing, and nobody may for it."""
    client = app.client()
    _stream(app, client)
    _stream(app, client, stream_options={"include_usage": True})


@program()
def error_status_kinds(app: App) -> None:
    openai: Any = import_module("openai")
    for habit in ("unauthorized", "forbidden", "missing"):
        client = app.client(base_url=app.at(habit))
        try:
            client.chat.completions.create(**app.chat())
        except openai.APIStatusError as error:
            app.say(error, error.response.status_code, error.request.method, error.code)
