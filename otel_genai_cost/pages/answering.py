"""A question in a thread of its own: who waits sees how far it is, and it ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from contextlib import closing
from typing import Any, Final, Generic, NamedTuple, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from otel_genai_cost.pages.figures import Reading

__all__ = ["Answering", "Progress"]

_T = TypeVar("_T")

_AT_ONCE: Final = 4
"""Questions that are worked on at the same time: more would only share the same cores and more memory."""

_PATIENCE_S: Final = 3.0
"""How long a browser waits for a page before it is told how far it is."""

_LEFT_S: Final = 10.0
"""Who was told so asks again each second; after this time without a word they have gone."""

_AGAIN_S: Final = 0.05


class Progress(NamedTuple):
    """How far a question is.

    Attributes:
        seconds: since it was asked.
        percent: of the query that is running; below zero where that is not known.
    """

    seconds: float
    percent: float


class _Work(Generic[_T]):
    """A question that is worked on.

    Attributes:
        waiting: how many requests wait for it.
        is_deferred: whether somebody was told how far it is, and will ask again.
        asked_s: when somebody asked last.
    """

    def __init__(self, reading: Reading, task: asyncio.Future[_T]) -> None:
        self.reading, self.task = reading, task
        self.waiting, self.is_deferred = 0, False
        self.began_s = self.asked_s = time.monotonic()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(time.monotonic() - self.began_s, self.reading.progress())

    @property
    def is_left(self) -> bool:
        """Whether nobody wants the answer any more."""
        since_s = time.monotonic() - self.asked_s
        return not self.waiting and (not self.is_deferred or since_s > _LEFT_S)


class Answering:
    """Questions of a server.

    Args:
        patience_s: how long a browser waits before it is told how far its question is.
    """

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._limiter: anyio.CapacityLimiter | None = None
        self._works: dict[Hashable, _Work[Any]] = {}
        self._watching: set[asyncio.Task[None]] = set()

    async def answer(
        self,
        request: Request,
        key: Hashable,
        begin: Callable[[], Reading],
        question: Callable[[Reading], _T],
        *,
        is_patient: bool = False,
    ) -> _T | Progress | None:
        """The answer, or how far it is; None if whoever asked has gone.

        Args:
            request: it is asked in; its body was read.
            key: stands for who asks and what: who asks the same again waits for the same answer.
            begin: begins the reading.
            question: is asked in a thread.
            is_patient: whether they wait however long it takes.
        """
        work = self._works.get(key) or self._begun(key, begin(), question)
        work.waiting += 1
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait(
                {work.task, gone},
                timeout=None if is_patient else self._patience_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            work.waiting -= 1
            work.asked_s = time.monotonic()
            is_gone = gone.done()
            gone.cancel()
        if work.task.done():
            self._works.pop(key, None)
            found: _T = work.task.result()
            return found
        if is_gone:
            return None
        work.is_deferred = True
        return work.progress

    def stop(self, key: Hashable) -> None:
        """End a question, for whoever asked it.

        Args:
            key: as it was asked by.
        """
        work = self._works.pop(key, None)
        if work is not None:
            work.reading.cancel()
            work.is_deferred = False

    def _begun(
        self, key: Hashable, reading: Reading, question: Callable[[Reading], _T]
    ) -> _Work[_T]:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_AT_ONCE)

        def asked() -> _T:
            with closing(reading):
                return question(reading)

        task = asyncio.ensure_future(anyio.to_thread.run_sync(asked, limiter=self._limiter))
        work = self._works[key] = _Work(reading, task)
        watching = asyncio.ensure_future(self._watch(key, work))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        return work

    async def _watch(self, key: Hashable, work: _Work[Any]) -> None:
        """Until the thread has ended, and somebody had the answer or nobody wants it. A query may have begun just after
        another one was ended, so it is ended until nothing is left."""
        while self._works.get(key) is work or not work.task.done():
            await asyncio.wait({work.task}, timeout=_AGAIN_S)
            if work.is_left:
                work.reading.cancel()
                if self._works.get(key) is work:
                    del self._works[key]
            elif work.task.done():
                await asyncio.sleep(_AGAIN_S)
        if not work.task.cancelled():
            work.task.exception()  # it was seen, and nobody else is to learn of it


async def _gone(request: Request) -> None:
    """Until whoever asked has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
