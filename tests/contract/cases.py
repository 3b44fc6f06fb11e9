"""The cases of the contract: what is scripted, which calls are made, and how their charges are judged."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, NamedTuple

from otel_genai_cost import tenant
from otel_genai_cost.testing.standin import Answer, StandIn, ToolCall, Usage
from tests.contract.driver import Ask, Driver

__all__ = ["CASES", "Case", "Judged", "Run"]

Judged = str
"""How a case's charges are judged; see `judge.py`."""

_TIMEOUT_S: Final = 0.2
_ARRIVES_WITHIN_S: Final = 10
_THREADS: Final = 4


class Run(NamedTuple):
    """One run of a case: with or without us."""

    case: str
    driver: Driver
    standin: StandIn
    is_metered: bool

    @property
    def url(self) -> str:
        """The root of the provider's paths."""
        return self.standin.base_url(self.driver.provider)

    def ask(self, tenant_id: str | None = None, **changes: Any) -> Ask:
        """What the call asks for. The text names the tenant, so that the stand-in's bill does."""
        said = (
            "What is the weather like?"
            if tenant_id is None
            else f"[for {tenant_id}] What is it like?"
        )
        return self.driver.ask(self.case, said)._replace(**changes)

    def chat(self, client: Any, tenant_id: str | None = None, **changes: Any) -> None:
        """One call, for a tenant."""
        with self.work_for(tenant_id):
            self.driver.does("chat")(client, self.ask(tenant_id, **changes))

    def work_for(self, tenant_id: str | None) -> AbstractContextManager[Any]:
        """The application says whose work it is, which it does not without us."""
        if tenant_id is None or not self.is_metered:
            return nullcontext()
        return tenant(tenant_id)

    def arrived(self, n: int = 1) -> None:
        """Wait until so many requests have."""
        ends = time.monotonic() + _ARRIVES_WITHIN_S
        while len(self.standin.received) < n and time.monotonic() < ends:
            time.sleep(0.001)
        assert len(self.standin.received) >= n


class Case(NamedTuple):
    """One row of the table.

    Args:
        name: of the case.
        act: makes the calls.
        needs: the methods of the driver that it takes.
        script: what the stand-in answers, in order; usage is replaced by the driver's.
        judged: how the charges are judged.
    """

    name: str
    act: Callable[[Run], None]
    needs: tuple[str, ...] = ("chat",)
    script: tuple[Answer, ...] = ()
    judged: Judged = "billed"


class _Failed(Exception):
    """The consumer's own."""


def _once(method: str) -> Callable[[Run], None]:
    def act(run: Run) -> None:
        with run.driver.client(run.url) as client, run.work_for("acme"):
            run.driver.does(method)(client, run.ask("acme"))

    return act


def _streamed(method: str) -> Callable[[Run], None]:
    def act(run: Run) -> None:
        with run.driver.client(run.url) as client, run.work_for("acme"):
            for _ in run.driver.does(method)(client, run.ask("acme")):
                pass

    return act


def _with(**changes: Any) -> Callable[[Run], None]:
    def act(run: Run) -> None:
        with run.driver.client(run.url) as client:
            run.chat(client, "acme", **changes)

    return act


def _in_tier(run: Run) -> None:
    _with(tier=run.driver.tier)(run)


def _failing(retries: int = 0, timeout_s: float = 30) -> Callable[[Run], None]:
    """The client raises: which error is its own affair, but it must be one."""

    def act(run: Run) -> None:
        with run.driver.client(run.url, retries=retries, timeout_s=timeout_s) as client:
            with raising():
                run.chat(client, "acme")
            run.arrived()

    return act


@contextmanager
def raising() -> Generator[None]:
    """An error of the client's."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 -- every client has errors of its own
        assert not isinstance(error, (AssertionError, TypeError)), error
    else:
        raise AssertionError("nothing was raised")


def _retried(run: Run) -> None:
    with run.driver.client(run.url, retries=2) as client:
        run.chat(client, "acme")


@contextmanager
def _begun(run: Run) -> Generator[Any]:
    """A stream whose first part has arrived."""
    with run.driver.client(run.url) as client, run.work_for("acme"):
        stream = run.driver.does("stream")(client, run.ask("acme"))
        parts = iter(stream)
        next(parts)
        yield stream


def _closed(run: Run) -> None:
    with _begun(run) as stream:
        run.driver.close(stream)


def _collected(run: Run) -> None:
    with run.driver.client(run.url) as client, run.work_for("acme"):
        next(iter(run.driver.does("stream")(client, run.ask("acme"))))
        gc.collect()


def _broken_by_the_consumer(run: Run) -> None:
    with run.driver.client(run.url) as client, run.work_for("acme"):
        try:
            for _ in run.driver.does("stream")(client, run.ask("acme")):
                raise _Failed
        except _Failed:
            pass
        gc.collect()


def _cancelled_stream(run: Run) -> None:
    async def read(client: Any) -> None:
        async for _ in await run.driver.does("async_stream")(client, run.ask("acme")):
            begun.set()

    async def act() -> None:
        async with run.driver.async_client(run.url) as client:
            task, waiting = (asyncio.ensure_future(one) for one in (read(client), begun.wait()))
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            await _cancelled(task)

    begun = asyncio.Event()
    with run.work_for("acme"):
        asyncio.run(act())


def _cancelled_call(run: Run) -> None:
    async def act() -> None:
        async with run.driver.async_client(run.url) as client:
            task = asyncio.ensure_future(run.driver.does("async_chat")(client, run.ask("acme")))
            ends = time.monotonic() + _ARRIVES_WITHIN_S
            while not run.standin.received and time.monotonic() < ends:
                await asyncio.sleep(0.001)
            await _cancelled(task)

    with run.work_for("acme"):
        asyncio.run(act())


async def _cancelled(task: asyncio.Future[Any]) -> None:
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    raise AssertionError("it was not cancelled")


def _async(run: Run) -> None:
    async def act() -> None:
        async with run.driver.async_client(run.url) as client:
            await run.driver.does("async_chat")(client, run.ask("acme"))

    with run.work_for("acme"):
        asyncio.run(act())


def _async_stream(run: Run) -> None:
    async def act() -> None:
        async with run.driver.async_client(run.url) as client:
            async for _ in await run.driver.does("async_stream")(client, run.ask("acme")):
                pass

    with run.work_for("acme"):
        asyncio.run(act())


def _in_threads(run: Run) -> None:
    with run.driver.client(run.url) as client, ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(lambda n: run.chat(client, f"tenant-{n}"), range(2 * _THREADS)):
            pass


def _for_nobody(run: Run) -> None:
    with run.driver.client(run.url) as client:
        run.chat(client)


def _tenants_at_once(run: Run) -> None:
    async def call(client: Any, tenant_id: str) -> None:
        with run.work_for(tenant_id):
            await run.driver.does("async_chat")(client, run.ask(tenant_id))

    async def act() -> None:
        async with run.driver.async_client(run.url) as client:
            await asyncio.gather(call(client, "acme"), call(client, "globex"))

    asyncio.run(act())


_PLAIN: Final = Answer(Usage(1_200, 300))
_STALLS: Final = Answer(stalls_after=2)
_WEATHER: Final = (ToolCall("weather", {"city": "Oslo"}),)

CASES: Final = (
    Case("plain", _once("chat"), script=(_PLAIN,)),
    Case("cached", _once("chat"), script=(Answer(Usage(1_200, 300, cache_read_tokens=640)),)),
    Case(
        "cache write",
        _once("chat"),
        script=(
            Answer(
                Usage(
                    2_000,
                    300,
                    cache_read_tokens=640,
                    cache_write_5m_tokens=200,
                    cache_write_1h_tokens=100,
                )
            ),
        ),
    ),
    Case("reasoning", _once("chat"), script=(Answer(Usage(1_200, 300, reasoning_tokens=120)),)),
    Case(
        "audio",
        _once("chat"),
        script=(Answer(Usage(1_200, 300, input_audio_tokens=800, output_audio_tokens=200)),),
    ),
    Case("tools", _with(tools=True), script=(_PLAIN._replace(tool_calls=_WEATHER),)),
    Case("stream", _streamed("stream"), ("stream",), (_PLAIN,)),
    Case(
        "stream without usage asked",
        _streamed("stream_unasked"),
        ("stream_unasked",),
        judged="unasked",
    ),
    Case("stream closed", _closed, ("stream",), (_STALLS,), "estimated"),
    Case("stream collected", _collected, ("stream",), (_STALLS,), "estimated"),
    Case("stream cancelled", _cancelled_stream, ("async_stream",), (_STALLS,), "estimated"),
    Case("error in the consumer", _broken_by_the_consumer, ("stream",), (_STALLS,), "estimated"),
    Case("embeddings", _once("embeddings"), ("embeddings",), (Answer(Usage(1_200)),)),
    Case("images", _once("images"), ("images",), (Answer(Usage(images=1)),)),
    Case(
        "429 with retry",
        _retried,
        script=(Answer(status=429, retry_after_s=0.01), _PLAIN),
        judged="retried",
    ),
    Case("500", _failing(), script=(Answer(status=500),), judged="failed"),
    Case(
        "time-out",
        _failing(timeout_s=_TIMEOUT_S),
        script=(Answer(hangs=True),),
        judged="unknown",
    ),
    Case("cancelled call", _cancelled_call, ("async_chat",), (Answer(hangs=True),), "unknown"),
    Case("service tier", _in_tier, script=(_PLAIN,)),
    Case("batch", _once("batch"), ("batch",)),
    Case("async", _async, ("async_chat",), (_PLAIN,)),
    Case("async stream", _async_stream, ("async_stream",), (_PLAIN,)),
    Case("threads", _in_threads),
    Case("no tenant", _for_nobody, script=(_PLAIN,)),
    Case("two tenants at once", _tenants_at_once, ("async_chat",)),
)
