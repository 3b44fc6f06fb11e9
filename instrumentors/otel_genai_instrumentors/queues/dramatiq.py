"""Dramatiq: the envelope is one of a message's options."""

from __future__ import annotations

from otel_genai_instrumentors.actors import EMITS, PROCESSES
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import QueueInstrumentor

__all__ = ["DramatiqInstrumentor"]


class DramatiqInstrumentor(QueueInstrumentor):
    """Actors, sync and async, with all their middleware: retries, pipelines, groups, results."""

    library = "dramatiq"
    requirements = ("dramatiq >= 1.15",)
    places = (
        Patch("dramatiq.broker", "Broker.emit_before", EMITS),
        *(
            Patch("dramatiq.worker", f"{kind}.process_message", PROCESSES, optional=True)
            for kind in ("WorkerThread", "_WorkerThread")
        ),
    )
