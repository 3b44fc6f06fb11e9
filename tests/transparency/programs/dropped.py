"""What dies, and is closed, once the application has dropped it: no garbage is collected while a program runs."""

from __future__ import annotations

import contextlib
import gc
import weakref
from importlib import import_module
from typing import Any

from tests.transparency.observed import App, program

_ASKED = {"stream_options": {"include_usage": True}}


class _Dropped:
    """Follows objects without holding them; says which of them are gone."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._followed: list[tuple[str, weakref.ref[Any]]] = []

    def follow(self, **objects: Any) -> None:
        self._followed += [(name, weakref.ref(each)) for name, each in objects.items()]

    def follow_client(self, client: Any) -> None:
        self.follow(client=client, http=client._client, completions=client.chat.completions)

    def say(self) -> None:
        """Before a collection of garbage, and after."""
        before = {name: each() is None for name, each in self._followed}
        gc.collect()
        self._app.say(before, {name: each() is None for name, each in self._followed})


@program()
def dropped_answers(app: App) -> None:
    dropped = _Dropped(app)
    client = app.client()
    dropped.follow_client(client)
    client.chat.completions.create(**app.chat())
    raw = client.chat.completions.with_raw_response.create(**app.chat())
    dropped.follow(raw=raw, response=raw.http_response)
    raw.parse()
    del raw
    dropped.say()
    del client
    dropped.say()


@program()
def dropped_streams(app: App) -> None:
    """Read to the end, left in the middle, closed, and never begun."""
    dropped = _Dropped(app)
    client = app.client()
    dropped.follow_client(client)
    for read in (list, next, lambda stream: stream.close(), id):
        for more in ({}, _ASKED):
            stream = client.chat.completions.create(**app.chat(stream=True, **more))
            dropped.follow(stream=stream, response=stream.response, iterator=stream._iterator)
            read(stream)
            del stream
            dropped.say()
    del client
    dropped.say()


@program()
def dropped_with_their_client(app: App) -> None:
    """Nothing but the stream holds its client."""
    dropped = _Dropped(app)
    stream = app.client().chat.completions.create(**app.chat(stream=True))
    dropped.follow(stream=stream, response=stream.response, client=stream._client)
    next(stream)
    dropped.say()
    del stream
    dropped.say()


@program("chatty")
def dropped_streaming_responses(app: App) -> None:
    dropped = _Dropped(app)
    client = app.client()
    dropped.follow_client(client)
    completions = client.chat.completions.with_streaming_response
    for more in ({}, {"stream": True}):
        with completions.create(**app.chat(**more)) as response:
            dropped.follow(manager=response, response=response.http_response)
            next(response.iter_bytes())
        del response
        dropped.say()
    del client, completions
    dropped.say()


@program()
def dropped_errors(app: App) -> None:
    """Refused by the provider, cut off in the middle, and without a provider."""
    openai: Any = import_module("openai")
    dropped = _Dropped(app)
    for url in (app.at("unauthorized"), app.at("broken"), app.at("cut"), "http://127.0.0.1:9/v1"):
        client = app.client(base_url=url)
        dropped.follow_client(client)
        for more in ({}, {"stream": True}):
            try:
                app.say(type(client.chat.completions.create(**app.chat(**more))).__name__)
            except (openai.OpenAIError, ValueError) as error:
                dropped.follow(error=error)
        dropped.say()
        del client
        dropped.say()


@program("cut")
def dropped_cut_streams(app: App) -> None:
    dropped = _Dropped(app)
    client = app.client()
    dropped.follow_client(client)
    stream = client.chat.completions.create(**app.chat(stream=True))
    dropped.follow(stream=stream, response=stream.response)
    with contextlib.suppress(Exception):
        list(stream)
    del stream
    dropped.say()
    del client
    dropped.say()


@program("json", since=(1, 92))
def dropped_helpers(app: App) -> None:
    dropped = _Dropped(app)
    client = app.client()
    dropped.follow_client(client)
    with client.chat.completions.stream(**app.chat()) as events:
        dropped.follow(events=events, response=events._response)
        next(iter(events))
    del events
    dropped.say()
    del client
    dropped.say()


@program()
async def dropped_async(app: App) -> None:
    dropped = _Dropped(app)
    client = app.async_client()
    dropped.follow_client(client)
    await client.chat.completions.create(**app.chat())
    for reads in (9, 1, 0):
        stream = await client.chat.completions.create(**app.chat(stream=True))
        dropped.follow(stream=stream, response=stream.response)
        for _ in range(reads):
            await anext(stream, None)
        if not reads:
            await stream.close()
        del stream
        dropped.say()
    never = client.chat.completions.create(**app.chat())
    never.close()
    del never
    await client.close()
    del client
    dropped.say()


@program("unauthorized")
async def dropped_async_errors(app: App) -> None:
    openai: Any = import_module("openai")
    dropped = _Dropped(app)
    client = app.async_client()
    dropped.follow_client(client)
    for more in ({}, {"stream": True}):
        try:
            await client.chat.completions.create(**app.chat(**more))
        except openai.OpenAIError as error:
            dropped.follow(error=error, response=error.response)
    dropped.say()
    await client.close()
    del client
    dropped.say()
