"""A client whose methods are real generators, traced, and who complains where nobody should."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from typing import Any, Final

import pytest
import wrapt
from opentelemetry import baggage, context, trace

from otel_genai_cost.errors import failures
from otel_genai_instrumentors.method import LAST, PART, Attributes, Method
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced
from tests.instrumentors.conftest import Recorder

UNFINISHED: Final = "genai_cost.unfinished"
ERROR: Final = "error.type"


def _part(attributes: Attributes, part: Any) -> int:
    attributes["gen_ai.usage.output_tokens"] = attributes.get("gen_ai.usage.output_tokens", 0) + 1
    return LAST if part == "last" else PART


METHOD: Final = Method(
    "chat",
    lambda instance, kwargs, host: {"gen_ai.request.model": kwargs.get("model")},
    lambda result: {},
    _part,
    lambda instance, args, kwargs: ("api.example.com", 443),
    text=str,
)


class Client:
    """What its generators see and do, in order."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.parts: tuple[str, ...] = ("a", "b", "last")
        self.error: BaseException | None = None

    def _note(self, what: str) -> None:
        span: Any = trace.get_current_span()
        self.log.append((what, dict(baggage.get_all()), getattr(span, "name", None)))

    def stream(self, model: str = "m") -> Generator[str, Any, str]:
        self._note("sent")
        try:
            for part in self.parts:
                if part == "b" and self.error is not None:
                    raise self.error
                self._note(part)
                try:
                    said = yield part
                except KeyError:
                    said = "mended"
                if said is not None:
                    self._note(said)
        finally:
            self._note("closed")
        return "returned"

    async def astream(self, model: str = "m") -> AsyncGenerator[str, Any]:
        self._note("sent")
        try:
            for part in self.parts:
                if part == "b" and self.error is not None:
                    raise self.error
                self._note(part)
                await asyncio.sleep(0)
                try:
                    said = yield part
                except KeyError:
                    said = "mended"
                if said is not None:
                    self._note(said)
        finally:
            await asyncio.sleep(0)
            self._note("closed")

    def eager(self, model: str = "m") -> Generator[str, Any, str]:
        self._note("sent at once")
        return Client.stream(self, model)

    async def aeager(self, model: str = "m") -> AsyncGenerator[str, Any]:
        self._note("sent at once")
        return Client.astream(self, model)

    @property
    def whats(self) -> list[str]:
        return [what for what, *_ in self.log]


class Traced(Client):
    """The same, traced."""


@pytest.fixture
def recorder() -> Recorder:
    recorder = Recorder()
    tracer = CallTracer("openai", recorder.provider)
    for name in ("stream", "astream", "eager", "aeager"):
        setattr(Traced, name, wrapped_by(getattr(Client, name), traced(METHOD, tracer)))
    return recorder


def wrapped_by(original: Any, wrapper: Any) -> Any:
    return wrapt.FunctionWrapper(original, wrapper)


@pytest.fixture
def client(recorder: Recorder) -> Traced:
    return Traced()


@pytest.fixture(autouse=True)
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nobody warns, nothing of ours fails, and no context stays behind."""
    before, failed = context.get_current(), dict(failures)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()
    assert context.get_current() is before
    assert failures == failed
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """With whatever the event loop itself finds to complain of."""
    complaints: list[Any] = []

    async def watched() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        return await main()

    found = asyncio.run(watched())
    gc.collect()
    assert complaints == []
    return found
