"""What the applications of the matrix do, whatever queue is between them: messages for two tenants and for none, and
LLM calls of whoever works on one, in each place where work is done, and of what it leaves running.

A call is named by its message and its place; the tests know for whom each was. Of ours there is only the tenant that a
producer sets, and one that the worker is started in, to whom nothing may be charged.
"""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost import detached, tenant
from tests.edges.calls import call

__all__ = [
    "EXPECTED",
    "LEFT",
    "NAME",
    "PLACES",
    "PLACES_ELSEWHERE",
    "TENANTS",
    "Failed",
    "awork",
    "finished",
    "further",
    "main",
    "outside",
    "sending",
    "until_finished",
    "wait_until_done",
    "wait_until_finished",
    "work",
]

TENANTS: Final = ("acme", "globex", None)
PLACES: Final = ("body", "pool", "thread", "task", "to_thread")
PLACES_ELSEWHERE: Final = ("process", "process_pool")
"""Only where QUEUE_PROCESSES names how processes start."""
LEFT: Final = ("left", "kept")
"""What the first message of each tenant leaves running, and what in `detached()`: they call when others are at work."""
NAME: Final = os.environ.get("QUEUE_NAME", "q")
"""Of the queue, the topic or the like: one broker serves many tests."""
_FOLDER: Final = Path(os.environ.get("QUEUE_FOLDER", "."))
_FURTHER: Final = int(os.environ.get("QUEUE_FURTHER") or 0)
_PROCESSES: Final = os.environ.get("QUEUE_PROCESSES")
_LEAVES: Final = bool(os.environ.get("QUEUE_LEAVES"))
_UNTIL_LEFT_S: Final = 20
_RETRIES: Final = bool(os.environ.get("QUEUE_RETRIES"))
EXPECTED: Final = 2 * len(TENANTS) + (len(TENANTS) if _RETRIES else 0)

_pool: list[ThreadPoolExecutor] = []
_processes: list[ProcessPoolExecutor] = []
_tasks: list[asyncio.Task[None]] = []


class Failed(Exception):
    """What a job raises when it is to be retried."""


def sending() -> Iterator[str]:
    """The messages to send, each while its tenant is current."""
    rounds = ["0", "1", *(["retry"] if _RETRIES else [])]
    for number in rounds:
        for name in TENANTS:
            message = f"{name or 'none'}-{number}"
            if name is None:
                token = context.attach(Context())
                yield message
                context.detach(token)
            else:
                with tenant(name):
                    yield message


def main(produce: Callable[[], object], consume: Callable[[], object]) -> None:
    """Run one side of the queue, as the first argument says: a function or coroutine. The worker runs in somebody's
    request that has not ended."""
    side = {"produce": produce, "consume": consume}[sys.argv[1]]
    with tenant("worker") if side is consume else nullcontext():
        result = side()
        if inspect.iscoroutine(result):
            asyncio.run(_with_what_is_left(result))
    for pool in _processes:
        pool.shutdown()


async def _with_what_is_left(work: Coroutine[Any, Any, object]) -> None:
    await work
    await asyncio.gather(*_tasks)


def further(name: str) -> None:
    """A call that follows from a message, and is named after it: of a hook, or a next step."""
    call(name)
    (_FOLDER / f"further-{name.replace('/', '-')}").touch()


def outside(name: str) -> None:
    """A call while no message is worked on."""
    call(f"outside/{name}")


def work(message: str) -> None:
    """Work on a message in a function.

    Raises:
        Failed: the first time for one that is to be retried.
    """
    _fail_once(message)
    call(f"{message}/body")
    _shared_pool().submit(call, f"{message}/pool").result()
    thread = threading.Thread(target=call, args=(f"{message}/thread",))
    thread.start()
    thread.join()
    asyncio.run(_in_tasks(message))
    _in_processes(message)
    for name, how in _left(message):
        with how:
            threading.Thread(target=_when_others_work, args=(name, _done())).start()
    _finish(message)


async def awork(message: str) -> None:
    """Work on a message in a coroutine.

    Raises:
        Failed: the first time for one that is to be retried.
    """
    _fail_once(message)
    call(f"{message}/body")
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(_shared_pool(), call, f"{message}/pool")
    thread = threading.Thread(target=call, args=(f"{message}/thread",))
    thread.start()
    thread.join()
    await _in_tasks(message)
    _in_processes(message)
    for name, how in _left(message):
        with how:
            _tasks.append(asyncio.create_task(_awhen_others_work(name, _done())))
    _finish(message)


async def _in_tasks(message: str) -> None:
    await asyncio.create_task(_later(f"{message}/task"))
    await asyncio.to_thread(call, f"{message}/to_thread")


async def _later(name: str) -> None:
    await asyncio.sleep(0)
    call(name)


def _shared_pool() -> ThreadPoolExecutor:
    """One thread, which the first message starts and that then serves all others."""
    if not _pool:
        _pool.append(ThreadPoolExecutor(1))
    return _pool[0]


def _in_processes(message: str) -> None:
    """In one of its own, and in a pool's worker, which the first message starts and that then serves all others."""
    if not _PROCESSES:
        return
    kind: Any = multiprocessing.get_context(_PROCESSES)
    process = kind.Process(target=call, args=(f"{message}/process",))
    process.start()
    process.join()
    if not _processes:
        _processes.append(ProcessPoolExecutor(1, mp_context=kind))
    _processes[0].submit(call, f"{message}/process_pool").result()


def _left(message: str) -> Iterator[tuple[str, AbstractContextManager[object]]]:
    if _LEAVES and message.endswith("-0"):
        hows: tuple[AbstractContextManager[object], ...] = (nullcontext(), detached())
        for place, how in zip(LEFT, hows, strict=True):
            yield f"{message}/{place}", how


def _when_others_work(name: str, done: int) -> None:
    """Not before the message has ended: when two others have been worked on, besides this one."""
    until_s = time.monotonic() + _UNTIL_LEFT_S
    while _done() < min(done + 3, EXPECTED) and time.monotonic() < until_s:
        time.sleep(0.05)
    time.sleep(0.2)
    further(name)


async def _awhen_others_work(name: str, done: int) -> None:
    until_s = time.monotonic() + _UNTIL_LEFT_S
    while _done() < min(done + 3, EXPECTED) and time.monotonic() < until_s:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)
    further(name)


def _fail_once(message: str) -> None:
    marker = _FOLDER / f"failed-{message}"
    if message.endswith("-retry") and not marker.exists():
        marker.touch()
        call(f"{message}/first")
        raise Failed(message)


def _finish(message: str) -> None:
    (_FOLDER / f"done-{message}").touch()


def _done() -> int:
    return len(list(_FOLDER.glob("done-*")))


def finished() -> bool:
    """Whether all messages have been worked on, with what follows from them."""
    return _done() >= EXPECTED and len(list(_FOLDER.glob("further-*"))) >= _FURTHER


def wait_until_finished() -> None:
    """Until then."""
    while not finished():
        time.sleep(0.1)


def wait_until_done(messages: int) -> None:
    """Until so many have been worked on."""
    while _done() < messages:
        time.sleep(0.05)


async def until_finished() -> None:
    """The same, in an event loop."""
    while not finished():
        await asyncio.sleep(0.1)
