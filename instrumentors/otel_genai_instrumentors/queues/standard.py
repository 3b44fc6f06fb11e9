"""`queue.Queue` and `asyncio.Queue`. Those that order their items otherwise have functions of their own, and carry
nothing; nor does `SimpleQueue`, which is C."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from otel_genai_cost.tenancy.carried import is_carrying
from otel_genai_instrumentors.local_queues import asks, asks_later, puts, takes
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import QueueInstrumentor

__all__ = ["AsyncioQueueInstrumentor", "QueueQueueInstrumentor"]


def _direct(module: str, path: str, replacement: Any) -> Patch:
    return Patch(module, path, replacement, direct=True)


class _LocalQueueInstrumentor(QueueInstrumentor):
    def patches(self, **options: Any) -> Iterable[Patch]:
        return self.places if is_carrying() else ()


class QueueQueueInstrumentor(_LocalQueueInstrumentor):
    """Queues between threads."""

    library = "queue"
    places = (
        _direct("queue", "Queue.get", asks),
        _direct("queue", "Queue._put", puts("queue")),
        _direct("queue", "Queue._get", takes("queue")),
    )


class AsyncioQueueInstrumentor(_LocalQueueInstrumentor):
    """Queues between tasks."""

    library = "asyncio.queues"
    places = (
        _direct("asyncio.queues", "Queue.get", asks_later),
        _direct("asyncio.queues", "Queue.get_nowait", asks),
        _direct("asyncio.queues", "Queue._put", puts("_queue")),
        _direct("asyncio.queues", "Queue._get", takes("_queue")),
    )
