"""How a process ends after its calls; each in a process of its own, which says what it sees on its standard output."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from typing import Any

from tests.transparency.observed import App, program

_kept: list[Any] = []
"""Still referenced when the process ends."""


def _asked(app: App) -> Any:
    more = {"stream_options": {"include_usage": True}}
    return app.client().chat.completions.create(**app.chat(stream=True, **more))


def _until_usage(app: App) -> None:
    for chunk in _asked(app):
        if chunk.usage:
            print("usage", chunk.usage.total_tokens, flush=True)
            break


@program()
def ends_with_an_open_stream(app: App) -> None:
    _kept.append(app.client().chat.completions.create(**app.chat(stream=True)))
    print(next(_kept[0]).choices[0].delta.content)


@program()
def ends_after_finish(app: App) -> None:
    """An agent keeps its stream and stops at the finish reason."""
    _kept.append(_asked(app))
    for chunk in _kept[0]:
        if chunk.choices and chunk.choices[0].finish_reason:
            print(chunk.choices[0].finish_reason)
            break


@program()
async def ends_with_an_open_async_stream(app: App) -> None:
    _kept.append(app.async_client())
    _kept.append(await _kept[0].chat.completions.create(**app.chat(stream=True)))
    print((await anext(_kept[1])).choices[0].delta.content)


@program()
def ends_by_error(app: App) -> None:
    _until_usage(app)
    raise SystemExit(3)


@program()
def ends_by_signal(app: App) -> None:
    _until_usage(app)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


@program()
def ends_hard(app: App) -> None:
    """Without any handler."""
    print(app.client().chat.completions.create(**app.chat()).id, flush=True)
    os._exit(4)


def _in_child(app: App) -> None:
    _kept.append(_asked(app))
    for chunk in _kept[0]:
        if chunk.usage:
            break


@program()
def ends_in_a_forked_child(app: App) -> None:
    """multiprocessing's children run no atexit handler."""
    child = multiprocessing.get_context("fork").Process(target=_in_child, args=(app,))
    child.start()
    child.join(20)
    print(child.exitcode)


@program("slow")
async def ends_with_a_cancelled_task(app: App) -> None:
    client = app.async_client()
    started = asyncio.Event()

    async def read() -> None:
        async for _ in await client.chat.completions.create(**app.chat(stream=True)):
            started.set()

    _kept.append(asyncio.create_task(read()))
    await started.wait()
    print("started")
