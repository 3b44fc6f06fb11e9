"""The `anthropic` client, called as its documentation says."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.transparency.observed import App, program

_MODEL = "claude-sonnet-4-5"


def _program(habit: str = "std") -> Callable[[Callable[[App], Any]], Callable[[App], Any]]:
    return program(habit, (0, 1), "anthropic")


def _client(app: App, kind: str = "Anthropic", **more: Any) -> Any:
    wanted = {"api_key": "sk-test", "base_url": app.base_url.removesuffix("/v1"), "max_retries": 0}
    return getattr(import_module("anthropic"), kind)(**{**wanted, **more})


def _asked(**more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "hello"}]
    return {"model": _MODEL, "max_tokens": 64, "messages": messages, **more}


@_program()
def claude(app: App) -> None:
    answer = _client(app).messages.create(**_asked())
    app.say(answer, answer.id, answer.usage.output_tokens, answer.content[0].text)


@_program()
async def claude_async(app: App) -> None:
    async with _client(app, "AsyncAnthropic") as client:
        answer = await client.messages.create(**_asked())
        app.say(answer, answer.id, answer.usage.input_tokens)


@_program()
def claude_stream(app: App) -> None:
    events = _client(app).messages.create(**_asked(stream=True))
    app.say(events, [event.type for event in events])


@_program()
async def claude_stream_async(app: App) -> None:
    async with _client(app, "AsyncAnthropic") as client:
        events = await client.messages.create(**_asked(stream=True))
        app.say(events, [event.type async for event in events])


@_program()
def claude_helper(app: App) -> None:
    with _client(app).messages.stream(**_asked()) as stream:
        app.say("".join(stream.text_stream), stream.get_final_message().usage.output_tokens)


@_program()
async def claude_helper_async(app: App) -> None:
    async with (
        _client(app, "AsyncAnthropic") as client,
        client.messages.stream(**_asked()) as stream,
    ):
        app.say([text async for text in stream.text_stream])


@_program()
def claude_raw(app: App) -> None:
    raw = _client(app).messages.with_raw_response.create(**_asked())
    app.say(raw.status_code, raw.parse().id)


@_program()
def claude_left(app: App) -> None:
    stream = _client(app).messages.create(**_asked(stream=True))
    for event in stream:
        if event.type == "content_block_delta":
            break
    stream.close()


@_program("busy")
def claude_busy_then_answered(app: App) -> None:
    app.say(_client(app, max_retries=1).messages.create(**_asked()).id)


@_program("unauthorized")
def claude_unauthorized(app: App) -> None:
    _client(app).messages.create(**_asked())


@_program("cut")
def claude_cut_stream(app: App) -> None:
    app.say([event.type for event in _client(app).messages.create(**_asked(stream=True))])
