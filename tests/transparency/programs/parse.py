"""Structured outputs, and the errors that are raised after the provider has answered and billed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tests.transparency.observed import App, program


def _form() -> Any:
    """The application's own model."""
    return import_module("pydantic").create_model("Answer", answer=(str, ...))


def _see(app: App, answer: Any) -> None:
    app.say(answer, answer.choices[0].message.parsed.answer, answer.usage.total_tokens)


@program("json", since=(1, 92))
def parse(app: App) -> None:
    _see(app, app.client().chat.completions.parse(**app.chat(), response_format=_form()))


@program("json", since=(1, 92))
async def parse_async(app: App) -> None:
    async with app.async_client() as client:
        _see(app, await client.chat.completions.parse(**app.chat(), response_format=_form()))


@program("json")
def parse_beta(app: App) -> None:
    _see(app, app.client().beta.chat.completions.parse(**app.chat(), response_format=_form()))


@program("json")
async def parse_beta_async(app: App) -> None:
    async with app.async_client() as client:
        completions = client.beta.chat.completions
        _see(app, await completions.parse(**app.chat(), response_format=_form()))


@program("json", since=(1, 92))
def parse_raw(app: App) -> None:
    completions = app.client().chat.completions.with_raw_response
    raw = completions.parse(**app.chat(), response_format=_form())
    app.say(raw, raw.headers["x-request-id"])
    _see(app, raw.parse())


@program("json")
def parse_stream(app: App) -> None:
    completions = app.client().beta.chat.completions
    more = {"stream_options": {"include_usage": True}}
    with completions.stream(**app.chat(**more), response_format=_form()) as events:
        app.say([event.type for event in events])
    _see(app, events.get_final_completion())


def _fails(app: App, **more: Any) -> None:
    try:
        app.client().beta.chat.completions.parse(**app.chat(**more), response_format=_form())
    except Exception as error:
        completion = getattr(error, "completion", None)
        app.say(error, completion, getattr(getattr(completion, "usage", None), "total_tokens", 0))


@program("length")
def parse_too_long(app: App) -> None:
    _fails(app)


@program("filter")
def parse_filtered(app: App) -> None:
    _fails(app)


@program("invalid")
def parse_invalid(app: App) -> None:
    _fails(app)


@program("length")
def parse_stream_too_long(app: App) -> None:
    more = {"stream_options": {"include_usage": True}}
    manager = app.client().beta.chat.completions.stream(**app.chat(**more), response_format=_form())
    with manager as events:
        for event in events:
            app.say(event.type)


@program("std", since=(1, 66))
def responses(app: App) -> None:
    answer = app.client().responses.create(model="gpt-4o-mini", input="hello")
    app.say(answer, answer.id, answer.output_text, answer.usage.total_tokens, answer._request_id)


@program("std", since=(1, 66))
async def responses_async(app: App) -> None:
    async with app.async_client() as client:
        answer = await client.responses.create(model="gpt-4o-mini", input="hello")
        app.say(answer, answer.output_text, answer.usage.total_tokens)


@program("std", since=(1, 66))
def responses_raw(app: App) -> None:
    client = app.client()
    raw = client.responses.with_raw_response.create(model="gpt-4o-mini", input="hello")
    app.say(raw, raw.headers["x-request-id"], raw.parse().output_text)
    raw = client.responses.with_raw_response.create(model="gpt-4o-mini", input="hello", stream=True)
    app.say(raw, [event.type for event in raw.parse()])


@program("std", since=(1, 66))
def responses_stream(app: App) -> None:
    events = app.client().responses.create(model="gpt-4o-mini", input="hello", stream=True)
    app.say(events, [event.type for event in events], events.response.is_closed)


@program("std", since=(1, 66))
async def responses_stream_async(app: App) -> None:
    async with app.async_client() as client:
        events = await client.responses.create(model="gpt-4o-mini", input="hello", stream=True)
        app.say(events, [event.type async for event in events])


@program("std", since=(1, 92))
def responses_helper(app: App) -> None:
    with app.client().responses.stream(model="gpt-4o-mini", input="hello") as events:
        app.say(events, [event.type for event in events])
        app.say(events.get_final_response().output_text)


@program("std", since=(1, 92))
async def responses_helper_async(app: App) -> None:
    async with (
        app.async_client() as client,
        client.responses.stream(model="gpt-4o-mini", input="a", text_format=_form()) as events,
    ):
        app.say([event.type async for event in events])
        app.say((await events.get_final_response()).output_parsed.answer)


@program("std", since=(1, 66))
def responses_parse(app: App) -> None:
    client = app.client()
    answer = client.responses.parse(model="gpt-4o-mini", input="hello", text_format=_form())
    app.say(answer, answer.output_parsed.answer, answer.usage.total_tokens)


@program("std", since=(1, 92))
def responses_background(app: App) -> None:
    """Queued, and polled twice: one answer."""
    client = app.client()
    queued = client.responses.create(model="gpt-4o-mini", input="hello", background=True)
    app.say(queued.status, queued.usage)
    for _ in range(2):
        answer = client.responses.retrieve(queued.id)
        app.say(answer.status, answer.usage.total_tokens)


@program("std", since=(1, 66))
def responses_left(app: App) -> None:
    client = app.client()
    with client.responses.create(model="gpt-4o-mini", input="hello", stream=True) as events:
        app.say(next(events).type)
    app.say(events.response.is_closed)
