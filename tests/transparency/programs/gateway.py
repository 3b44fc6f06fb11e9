"""LiteLLM as a library: other providers than OpenAI, its router, its cache, its made-up answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.transparency.observed import MODEL, App, program

_CLAUDE = "anthropic/claude-sonnet-4-5"
_MESSAGES = [{"role": "user", "content": "hello"}]


def _program(habit: str = "std") -> Callable[[Callable[[App], Any]], Callable[[App], Any]]:
    return program(habit, (1, 63), "litellm")


def _library() -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    return import_module("litellm")


def _asked(app: App, model: str = _CLAUDE, **more: Any) -> dict[str, Any]:
    base = app.base_url.removesuffix("/v1")
    wanted = {"model": model, "messages": _MESSAGES, "max_tokens": 64, "num_retries": 0}
    return {**wanted, "api_base": base, "api_key": "sk-test", **more}


def _told(answer: Any) -> list[Any]:
    return [answer.choices[0].message.content, answer.usage.total_tokens, answer.model]


@_program()
def gateway_claude(app: App) -> None:
    answer = _library().completion(**_asked(app))
    app.say(answer, *_told(answer))
    chunks = _library().completion(**_asked(app), stream=True)
    app.say(chunks, [chunk.choices[0].delta.content for chunk in chunks])


@_program()
async def gateway_claude_async(app: App) -> None:
    app.say(*_told(await _library().acompletion(**_asked(app))))
    chunks = await _library().acompletion(**_asked(app), stream=True)
    app.say(chunks, [chunk.choices[0].delta.content async for chunk in chunks])


@_program()
async def gateway_messages(app: App) -> None:
    answer = await _library().anthropic_messages(**_asked(app))
    app.say(answer["id"], answer["usage"]["output_tokens"])


@_program()
def gateway_left(app: App) -> None:
    for _ in _library().completion(**_asked(app), stream=True):
        break


@_program("busy")
def gateway_retried(app: App) -> None:
    app.say(*_told(_library().completion(**_asked(app, num_retries=1))))


@_program("unauthorized")
def gateway_unauthorized(app: App) -> None:
    _library().completion(**_asked(app))


@_program("fails_once")
def gateway_fallback(app: App) -> None:
    """Another model answers, of another provider, after the first has failed."""
    openai = {"model": f"openai/{MODEL}", "api_base": app.base_url, "api_key": "sk-test"}
    claude = {
        key: value for key, value in _asked(app).items() if key not in ("messages", "num_retries")
    }
    router = _library().Router(
        [
            {"model_name": "first", "litellm_params": openai},
            {"model_name": "second", "litellm_params": claude},
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
    )
    app.say(*_told(router.completion("first", _MESSAGES)))


@_program()
def gateway_cache(app: App) -> None:
    """Its second answer is the first one again: nobody bills it."""
    library = _library()
    library.cache = import_module("litellm.caching.caching").Cache(type="local")
    try:
        app.say(*_told(library.completion(**_asked(app), caching=True)))
        app.say(*_told(library.completion(**_asked(app), caching=True)))
    finally:
        library.cache = None


@_program()
def gateway_mock(app: App) -> None:
    app.say(*_told(_library().completion(**_asked(app), mock_response="made up")))
