"""janus: queues between threads and tasks, each asked from both sides. Those that order their items otherwise have
functions of their own, and carry nothing."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Final

from otel_genai_instrumentors.local_queues import (
    LocalQueueInstrumentor,
    asks,
    asks_later,
    direct,
    puts,
    takes,
)

__all__ = ["JanusInstrumentor"]

_queue: Final = attrgetter("_parent")


class JanusInstrumentor(LocalQueueInstrumentor):
    """Queues of janus."""

    library = "janus"
    requirements = ("janus >= 1.0",)
    places = (
        direct("janus", "_SyncQueueProxy.get", partial(asks, owner=_queue)),
        direct("janus", "_AsyncQueueProxy.get", partial(asks_later, owner=_queue)),
        direct("janus", "_AsyncQueueProxy.get_nowait", partial(asks, owner=_queue)),
        direct("janus", "Queue._put", puts("_queue")),
        direct("janus", "Queue._get", takes("_queue")),
    )
