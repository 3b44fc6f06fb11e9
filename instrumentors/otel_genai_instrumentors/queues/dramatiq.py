"""Dramatiq: the envelope is one of a message's options."""

from __future__ import annotations

from otel_genai_instrumentors.actors import EMITS, PROCESSES
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import QueueInstrumentor

__all__ = ["DramatiqInstrumentor"]


def _is_private(module: object) -> bool:
    """Whether that is the class's only name: newer versions have both."""
    return not hasattr(module, "WorkerThread")


class DramatiqInstrumentor(QueueInstrumentor):
    """Actors, sync and async, with all their middleware: retries, pipelines, groups, results."""

    library = "dramatiq"
    requirements = ("dramatiq >= 1.15",)
    places = (
        Patch("dramatiq.broker", "Broker.emit_before", EMITS),
        Patch("dramatiq.worker", "WorkerThread.process_message", PROCESSES, optional=True),
        Patch("dramatiq.worker", "_WorkerThread.process_message", PROCESSES, wanted=_is_private),
    )
