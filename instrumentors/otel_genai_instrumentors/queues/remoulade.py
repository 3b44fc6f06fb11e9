"""remoulade: the envelope is one of a message's options. Upstream's middleware makes a span current, and no baggage."""

from __future__ import annotations

from otel_genai_cost.tenancy.carriers import RESERVED_KEY
from otel_genai_cost.tenancy.envelope import reserved
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, sends, works

__all__ = ["RemouladeInstrumentor"]


def _put(call: Call) -> Call:
    """Before any middleware sees it."""
    if call.argument(0, "signal") == "enqueue":
        options = call.args[1].options
        options[RESERVED_KEY] = reserved(options.get(RESERVED_KEY))
    return call


class RemouladeInstrumentor(QueueInstrumentor):
    """Actors with all their middleware: retries, pipelines, groups, results."""

    library = "remoulade"
    requirements = ("remoulade >= 3.0",)
    places = (
        Patch("remoulade.broker", "Broker.emit_before", sends(_put)),
        Patch(
            "remoulade.worker",
            "_WorkerThread.process_message",
            works(lambda call: call.argument(0, "message").options),
        ),
    )
