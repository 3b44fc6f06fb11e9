"""Dramatiq: the envelope is one of a message's options, as middleware keeps its own there."""

from __future__ import annotations

from otel_genai_cost.tenancy.carriers import RESERVED_KEY
from otel_genai_cost.tenancy.envelope import reserved
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, sends, works

__all__ = ["DramatiqInstrumentor"]


def _put(call: Call) -> Call:
    """Before any middleware sees it. A retry and a message that was delayed have theirs."""
    if call.argument(0, "signal") == "enqueue":
        options = call.args[1].options
        options[RESERVED_KEY] = reserved(options.get(RESERVED_KEY))
    return call


class DramatiqInstrumentor(QueueInstrumentor):
    """Actors, sync and async, with all their middleware: retries, pipelines, groups, results."""

    library = "dramatiq"
    requirements = ("dramatiq >= 1.15",)
    places = (
        Patch("dramatiq.broker", "Broker.emit_before", sends(_put)),
        Patch(
            "dramatiq.worker",
            "WorkerThread.process_message",
            works(lambda call: call.argument(0, "message").options),
            optional=True,
        ),
        Patch(
            "dramatiq.worker",
            "_WorkerThread.process_message",
            works(lambda call: call.argument(0, "message").options),
            optional=True,
        ),
    )
