"""remoulade: the envelope is one of a message's options. Upstream's middleware makes a span current, and no baggage."""

from __future__ import annotations

from otel_genai_instrumentors.actors import EMITS, PROCESSES
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import QueueInstrumentor

__all__ = ["RemouladeInstrumentor"]


class RemouladeInstrumentor(QueueInstrumentor):
    """Actors with all their middleware: retries, pipelines, groups, results."""

    library = "remoulade"
    requirements = ("remoulade >= 3.0",)
    places = (
        Patch("remoulade.broker", "Broker.emit_before", EMITS),
        Patch("remoulade.worker", "_WorkerThread.process_message", PROCESSES),
    )
