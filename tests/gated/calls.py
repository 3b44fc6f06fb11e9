"""Every kind of call of every client, by the drivers of the contract: plain, streamed, and both awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pytest

from tests.contract.driver import Ask, Driver, drivers_of, is_installed

__all__ = ["CALLS", "LIBRARIES", "SHAPES", "Made", "Make", "params"]

LIBRARIES: Final = (
    "openai",
    "anthropic",
    "google-genai",
    "mistralai",
    "cohere",
    "ollama",
    "groq",
    "together",
    "botocore",
    "litellm",
)


Make = Callable[..., list[Any]]
"""Makes a call, with changes of what is asked for."""


class Made(NamedTuple):
    """A kind of call of a client."""

    driver: Driver
    shape: str

    def __str__(self) -> str:
        return f"{self.driver.library} {self.driver.name} {self.shape}".replace(" ", "-")

    @contextmanager
    def opened(self, url: str) -> Generator[Make]:
        """A client is open, and makes calls: reads an answer, and gives the parts of a stream. It would try twice more,
        unless each try of it is a call of its own."""
        with (_open_async if self.shape.startswith("async") else _open)(self, url) as make:
            yield make

    @property
    def retries(self) -> int:
        """How often the client tries again by itself."""
        return 0 if "429 with retry" in self.driver.gaps else 2

    @property
    def lingers_s(self) -> float:
        """For how long tasks of the client hold on to an answer that came."""
        return 0.2 if self.driver.library == "litellm" else 0.0

    def asked(self, changes: dict[str, Any]) -> Ask:
        """What a call asks for."""
        return self.driver.ask(self.shape, "hello")._replace(**changes)


@contextmanager
def _open(call: Made, url: str) -> Generator[Make]:
    driver = call.driver
    with driver.client(url, retries=call.retries) as client:

        def make(**changes: Any) -> list[Any]:
            asked = call.asked(changes)
            if call.shape == "stream":
                return list(driver.does("stream")(client, asked))
            driver.does("chat")(client, asked)
            return []

        yield make


@contextmanager
def _open_async(call: Made, url: str) -> Generator[Make]:
    driver, loop = call.driver, asyncio.new_event_loop()
    manager = driver.async_client(url, retries=call.retries)
    client = loop.run_until_complete(manager.__aenter__())

    async def made(changes: dict[str, Any]) -> list[Any]:
        asked = call.asked(changes)
        if call.shape == "async":
            await driver.does("async_chat")(client, asked)
            return []
        return [part async for part in await driver.does("async_stream")(client, asked)]

    def make(**changes: Any) -> list[Any]:
        parts = loop.run_until_complete(made(changes))
        loop.run_until_complete(asyncio.sleep(call.lingers_s))
        return parts

    try:
        yield make
    finally:
        loop.run_until_complete(manager.__aexit__(None, None, None))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


SHAPES: Final = ("plain", "stream", "async", "async stream")


def _calls() -> Iterator[Made]:
    for library in filter(is_installed, LIBRARIES):
        for driver in drivers_of(library):
            for shape in SHAPES:
                if shape not in driver.gaps:
                    yield Made(driver, shape)


CALLS: Final = tuple(_calls())


def params(shapes: Collection[str], without: Collection[str] = ()) -> list[Any]:
    """Calls of these shapes as parameters. Of each library one kind of call in one or two shapes is made whenever tests
    run; the rest with those that take longer.

    Args:
        shapes: of the calls.
        without: libraries that are left out.
    """
    found: list[Any] = []
    for call in CALLS:
        if call.shape in shapes and call.driver.library not in without:
            is_first = call.driver.name == drivers_of(call.driver.library)[0].name
            is_usual = call.shape in ("plain", "async stream") or call.driver.library == "botocore"
            marks = () if is_first and is_usual else (pytest.mark.service,)
            found.append(pytest.param(call, id=str(call), marks=marks))
    return found
