"""`queue.Queue` and `asyncio.Queue`. Those that order their items otherwise have functions of their own, and carry
nothing; nor does `SimpleQueue`, which is C."""

from __future__ import annotations

import sys
from typing import Any, Final

from otel_genai_instrumentors.local_queues import (
    LocalQueueInstrumentor,
    asks,
    asks_later,
    direct,
    puts,
    takes,
    waits,
)

__all__ = ["AsyncioQueueInstrumentor", "QueueQueueInstrumentor"]


_WAITS: Final = tuple(
    direct(module, "wait_for", waits)
    for module in ("asyncio.tasks", "asyncio")
    if sys.version_info < (3, 12)
)


def _is_its_own(module: Any) -> bool:
    """gevent's early patching puts queues of its own there, which are of C."""
    return bool(module.Queue.__module__ == module.__name__)


class QueueQueueInstrumentor(LocalQueueInstrumentor):
    """Queues between threads."""

    library = "queue"
    places = tuple(
        direct("queue", path, replacement)._replace(wanted=_is_its_own)
        for path, replacement in (
            ("Queue.get", asks),
            ("Queue._put", puts("queue")),
            ("Queue._get", takes("queue")),
        )
    )


class AsyncioQueueInstrumentor(LocalQueueInstrumentor):
    """Queues between tasks."""

    library = "asyncio.queues"
    places = (
        direct("asyncio.queues", "Queue.get", asks_later),
        direct("asyncio.queues", "Queue.get_nowait", asks),
        direct("asyncio.queues", "Queue._put", puts("_queue")),
        direct("asyncio.queues", "Queue._get", takes("_queue")),
        *_WAITS,
    )
