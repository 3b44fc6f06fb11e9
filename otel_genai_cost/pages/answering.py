"""A question in a thread of its own, which ends when nobody waits for the answer any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Final, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from otel_genai_cost.pages.figures import Reading

__all__ = ["Answering"]

_T = TypeVar("_T")

_AT_ONCE: Final = 4
"""Questions that are worked on at the same time: more would only share the same cores and more memory."""

_AGAIN_S: Final = 0.05


class Answering:
    """Questions of a server."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def answer(
        self, request: Request, begin: Callable[[], Reading], question: Callable[[Reading], _T]
    ) -> _T | None:
        """The answer; None if whoever asked has gone.

        Args:
            request: it is asked in; its body was read.
            begin: begins the reading.
            question: is asked in a thread.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        reading = begin()

        def work() -> _T:
            with closing(reading):
                return question(reading)

        task = asyncio.ensure_future(anyio.to_thread.run_sync(work, limiter=self._limiter))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            await _cancelled(task, reading)
            return None
        finally:
            gone.cancel()
            reading.cancel()


async def _gone(request: Request) -> None:
    """Until whoever asked has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _cancelled(task: asyncio.Future[_T], reading: Reading) -> None:
    """Until the thread has noticed; a query may have begun just after the last one was ended."""
    while not task.done():
        reading.cancel()
        await asyncio.wait({task}, timeout=_AGAIN_S)
    task.exception()  # it was seen, and nobody is to learn of it
