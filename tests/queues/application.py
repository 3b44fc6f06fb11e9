"""What the applications of the matrix do, whatever queue is between them: messages for two tenants and for none, and
LLM calls of whoever works on one, in each place where work is done.

A call is named by its message and its place; the tests know for whom each was. Of ours there is only the tenant that a
producer sets, and one that the worker is started in, to whom nothing may be charged.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost import tenant
from tests.edges.calls import call

__all__ = [
    "EXPECTED",
    "PLACES",
    "TENANTS",
    "Failed",
    "awork",
    "finished",
    "further",
    "main",
    "outside",
    "sending",
    "wait_until_finished",
    "work",
]

TENANTS: Final = ("acme", "globex", None)
PLACES: Final = ("body", "pool", "thread", "task", "to_thread")
_FOLDER: Final = Path(os.environ.get("QUEUE_FOLDER", "."))
_FURTHER: Final = int(os.environ.get("QUEUE_FURTHER") or 0)
_RETRIES: Final = bool(os.environ.get("QUEUE_RETRIES"))
EXPECTED: Final = 2 * len(TENANTS) + (len(TENANTS) if _RETRIES else 0)

_pool: list[ThreadPoolExecutor] = []


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
            asyncio.run(result)


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


def _fail_once(message: str) -> None:
    marker = _FOLDER / f"failed-{message}"
    if message.endswith("-retry") and not marker.exists():
        marker.touch()
        call(f"{message}/first")
        raise Failed(message)


def _finish(message: str) -> None:
    (_FOLDER / f"done-{message}").touch()


def finished() -> bool:
    """Whether all messages have been worked on, with what follows from them."""
    done = len(list(_FOLDER.glob("done-*"))) >= EXPECTED
    return done and len(list(_FOLDER.glob("further-*"))) >= _FURTHER


def wait_until_finished() -> None:
    """Until then."""
    while not finished():
        time.sleep(0.1)
