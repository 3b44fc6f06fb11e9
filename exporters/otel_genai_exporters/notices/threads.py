"""Calls that block, out of the way of everything else: what hangs holds its own thread, and no process from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["in_thread"]

_T = TypeVar("_T")


async def in_thread(call: Callable[[], _T]) -> _T:
    """What a call that may block gives or raises. Whoever is cancelled meanwhile leaves it to itself.

    Args:
        call: is made in a thread of its own.
    """
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 -- raised where it is awaited
            future.set_exception(error)

    threading.Thread(target=work, name="genai-cost-notice", daemon=True).start()
    return await asyncio.wrap_future(future)
