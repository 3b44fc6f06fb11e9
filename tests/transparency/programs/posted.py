"""Calls that go by none of the client's resources: its own `post`, as its documentation has it for what it does not
know yet, and as gateways use it that build requests themselves."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tests.transparency.observed import App, program

_PATH = "/chat/completions"
_ASKED = {"stream_options": {"include_usage": True}}
_RAW = {"headers": {"X-Stainless-Raw-Response": "true"}}


def _streaming(app: App, kind: str, **more: Any) -> dict[str, Any]:
    openai: Any = import_module("openai")
    chat: Any = import_module("openai.types.chat")
    body = app.chat(stream=True, **more)
    stream_cls = getattr(openai, kind)[chat.ChatCompletionChunk]
    return {"body": body, "cast_to": chat.ChatCompletion, "stream": True, "stream_cls": stream_cls}


@program()
def posted(app: App) -> None:
    """What it gives is what the caller named: a model, a mapping, the HTTP response."""
    client = app.client()
    chat: Any = import_module("openai.types.chat")
    for kind in (chat.ChatCompletion, object, app.http().Response):
        answer = client.post(_PATH, body=app.chat(), cast_to=kind)
        app.say(answer, getattr(answer, "usage", None))
    raw = client.post(_PATH, body=app.chat(), cast_to=chat.ChatCompletion, options=_RAW)
    app.say(raw, raw.parse().usage.total_tokens)


@program()
def posted_elsewhere(app: App) -> None:
    openai: Any = import_module("openai")
    client = app.client()
    for path in ("/chats", "embeddings/batch", "/chat/completions/7"):
        try:
            client.post(path, body={"a": 1}, cast_to=object)
        except openai.NotFoundError as error:
            app.say(error)
    made = client.post(
        "embeddings?a=1", body={"model": "text-embedding-3-small", "input": "a"}, cast_to=object
    )
    app.say(sorted(made))


@program()
def posted_to_a_url(app: App) -> None:
    """An absolute URL goes where it says, whatever the client's own base URL is."""
    client = app.client(base_url="http://127.0.0.1:9/v1")
    answer = client.post(f"{app.base_url}{_PATH}", body=app.chat(), cast_to=object)
    app.say(sorted(answer))


@program()
def posted_stream(app: App) -> None:
    client = app.client()
    for more in ({}, _ASKED):
        chunks = client.post(_PATH, **_streaming(app, "Stream", **more))
        app.say(chunks, [bool(chunk.usage) for chunk in chunks])
        raw = client.post(_PATH, **_streaming(app, "Stream", **more), options=_RAW)
        app.say(raw, len(list(raw.parse())))


@program()
async def posted_async(app: App) -> None:
    async with app.async_client() as client:
        answer = await client.post(_PATH, body=app.chat(), cast_to=object)
        app.say(sorted(answer))
        chunks = await client.post(_PATH, **_streaming(app, "AsyncStream", **_ASKED))
        app.say(chunks, [bool(chunk.usage) async for chunk in chunks])


@program("unauthorized")
def posted_error(app: App) -> None:
    app.client().post(_PATH, body=app.chat(), cast_to=object)


@program(since=(2, 54))
def responses_beta(app: App) -> None:
    """The beta of the Responses API has a resource of its own."""
    client = app.client()
    answer = client.beta.responses.create(model="gpt-4o-mini", input="hello")
    app.say(answer, answer.usage.total_tokens)
    events = client.beta.responses.create(model="gpt-4o-mini", input="hello", stream=True)
    app.say(events, [event.type for event in events])
