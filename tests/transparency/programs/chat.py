"""Calls that are answered at once, in every way the client has of making them."""

from __future__ import annotations

import asyncio
import copy
import inspect
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any
from unittest import mock

from tests.transparency.observed import App, program


def _see(app: App, answer: Any) -> None:
    usage = answer.usage
    app.say(answer, answer.id, answer.choices[0].message.content, usage, usage.total_tokens)
    app.say(sorted(answer.to_dict()), answer._request_id)


@program()
def chat(app: App) -> None:
    _see(app, app.client().chat.completions.create(**app.chat()))


@program()
async def chat_async(app: App) -> None:
    async with app.async_client() as client:
        pending = client.chat.completions.create(**app.chat())
        app.say(inspect.iscoroutine(pending), inspect.isawaitable(pending))
        _see(app, await pending)


@program()
def chat_module_level(app: App) -> None:
    openai: Any = import_module("openai")
    openai.api_key, openai.base_url, openai.max_retries = "sk-test", app.base_url, 0
    _see(app, openai.chat.completions.create(**app.chat()))


@program()
def chat_raw(app: App) -> None:
    raw = app.client().chat.completions.with_raw_response.create(**app.chat())
    app.say(raw, raw.headers["x-request-id"], raw.status_code, raw.http_response.is_closed)
    app.say(raw.text if isinstance(raw.text, str) else raw.text(), raw.parse() is raw.parse())
    _see(app, raw.parse())


@program()
async def chat_raw_async(app: App) -> None:
    async with app.async_client() as client:
        raw = await client.chat.completions.with_raw_response.create(**app.chat())
        app.say(raw, raw.headers["x-request-id"], hasattr(raw, "aclose"), hasattr(raw, "close"))
        parsed = raw.parse()
        _see(app, await parsed if inspect.isawaitable(parsed) else parsed)


@program()
def chat_raw_never_parsed(app: App) -> None:
    raw = app.client().chat.completions.with_raw_response.create(**app.chat())
    app.say(raw.headers["content-type"], len(raw.content))


@program()
def chat_streaming_response(app: App) -> None:
    manager = app.client().chat.completions.with_streaming_response.create(**app.chat())
    app.say(manager, hasattr(manager, "__enter__"), hasattr(manager, "__aenter__"))
    with manager as response:
        app.say(response, response.status_code, response.http_response.is_closed)
        app.say(sorted(response.json()))
        _see(app, response.parse())
    app.say(response.http_response.is_closed)


@program()
async def chat_streaming_response_async(app: App) -> None:
    async with app.async_client() as client:
        manager = client.chat.completions.with_streaming_response.create(**app.chat())
        async with manager as response:
            app.say(response, sorted(await response.json()))
            _see(app, await response.parse())
        app.say(response.http_response.is_closed)


@program()
def chat_streaming_response_bytes(app: App) -> None:
    with app.client().chat.completions.with_streaming_response.create(**app.chat()) as response:
        app.say(b"".join(response.iter_bytes()).decode())


@program()
def chat_streaming_response_unread(app: App) -> None:
    with app.client().chat.completions.with_streaming_response.create(**app.chat()) as response:
        app.say(response.headers["x-request-id"])
    app.say(response.http_response.is_closed)


@program()
def chat_options(app: App) -> None:
    """Everything a call may carry besides its own arguments."""
    answer = app.client().chat.completions.create(
        **app.chat(temperature=0, seed=7, user="somebody"),
        extra_headers={"x-extra": "1"},
        extra_query={"flavour": "sour"},
        extra_body={"top_k": 3},
        timeout=20,
    )
    _see(app, answer)


@program()
def chat_sentinels(app: App) -> None:
    """What means "not given" in each version."""
    openai: Any = import_module("openai")
    absent = getattr(openai, "omit", openai.NOT_GIVEN)
    more = {"service_tier": absent, "stream": absent, "temperature": openai.NOT_GIVEN}
    _see(app, app.client().chat.completions.create(**app.chat(**more), stream_options=absent))


@program()
def chat_stream_false(app: App) -> None:
    _see(app, app.client().chat.completions.create(**app.chat(stream=False)))
    _see(app, app.client().chat.completions.create(**app.chat(stream=None)))


@program("tool")
def chat_tool_call(app: App) -> None:
    answer = app.client().chat.completions.create(**app.chat())
    app.say(answer.choices[0].finish_reason, answer.choices[0].message.tool_calls[0].function.name)


@program()
def chat_clients_derived(app: App) -> None:
    """Clients made from a client, and a connection used again."""
    with app.client() as client:
        for derived in (client.with_options(timeout=9), client.copy(max_retries=1), client):
            _see(app, derived.chat.completions.create(**app.chat()))
    app.say(client.is_closed())


@program()
def chat_hooks(app: App) -> None:
    """The application's own HTTP client sees each request and answer once."""
    httpx = app.http()
    seen: list[str] = []
    hooks = {
        "request": [lambda request: seen.append(f"{request.method} {sorted(request.headers)}")],
        "response": [lambda response: seen.append(f"{response.status_code} {response.is_closed}")],
    }
    with httpx.Client(event_hooks=hooks) as http:
        client = app.client(http_client=http)
        _see(app, client.chat.completions.create(**app.chat()))
    app.say(seen)


@program()
def chat_signatures(app: App) -> None:
    """What frameworks look at before they call."""
    client, asynchronous = app.client(), app.async_client()
    for method in (
        client.chat.completions.create,
        asynchronous.chat.completions.create,
        client.embeddings.create,
        type(client.chat.completions).create,
    ):
        app.say(method.__name__, method.__qualname__, method.__module__, bool(method.__doc__))
        app.say(str(inspect.signature(method)), inspect.iscoroutinefunction(method))
        app.say(inspect.isfunction(method), callable(method))
    bound = client.chat.completions.create
    app.say(inspect.ismethod(bound), inspect.isfunction(type(client.chat.completions).create))
    app.say(hasattr(bound, "__self__") and bound.__self__ is client.chat.completions)
    app.say(copy.copy(client.chat.completions), str(inspect.getsourcefile(bound))[-40:])


@program()
def chat_mocked(app: App) -> None:
    """As unit tests replace it."""
    client = app.client()
    kind = type(client.chat.completions)
    with mock.patch.object(kind, "create", autospec=True, return_value="mocked") as create:
        app.say(client.chat.completions.create(**app.chat()), create.call_count)
    with mock.patch.object(client.chat.completions, "create", return_value="mocked"):
        app.say(client.chat.completions.create(**app.chat()))
    spec = mock.create_autospec(kind.create)
    app.say(callable(spec))
    _see(app, client.chat.completions.create(**app.chat()))


@program()
def chat_threads(app: App) -> None:
    client = app.client()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.chat.completions.create(**app.chat()), range(8)))
    app.say(sorted(answer.id for answer in answers))
    client.close()


@program()
async def chat_gathered(app: App) -> None:
    async with app.async_client() as client:
        calls = [client.chat.completions.create(**app.chat()) for _ in range(8)]
        app.say(sorted(answer.id for answer in await asyncio.gather(*calls)))


@program()
def chat_subclass(app: App) -> None:
    """A team's own kind of client, with its own create before ours is reached."""
    openai: Any = import_module("openai")
    completions: Any = import_module("openai.resources.chat.completions").Completions

    class Guarded(completions):  # type: ignore[misc]
        def create(self, **kwargs: Any) -> Any:
            app.say("guard", sorted(kwargs))
            return super().create(**kwargs)

    client = openai.OpenAI(api_key="sk-test", base_url=app.base_url, max_retries=0)
    _see(app, Guarded(client).create(**app.chat()))


@program()
def embeddings(app: App) -> None:
    client = app.client()
    for more in ({}, {"encoding_format": "float"}):
        answer = client.embeddings.create(model="text-embedding-3-small", input="hello", **more)
        app.say(answer, answer.data[0].embedding, answer.usage.total_tokens)


@program()
async def embeddings_async(app: App) -> None:
    async with app.async_client() as client:
        answer = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        app.say(answer, len(answer.data), answer.usage.prompt_tokens)


@program()
def embeddings_raw(app: App) -> None:
    client = app.client()
    raw = client.embeddings.with_raw_response.create(model="text-embedding-3-small", input="a")
    app.say(raw, raw.headers["x-request-id"], raw.parse().usage.total_tokens)
