"""Brokers of actors: Dramatiq, and remoulade, which began as a copy of it. The envelope is one of a message's options,
as middleware keeps its own there."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.tenancy.envelope import put_reserved
from otel_genai_instrumentors.queueing import Call, sends, works

__all__ = ["EMITS", "PROCESSES"]


def _put(call: Call) -> Call:
    """Before any middleware sees it. A retry and a message that was delayed have theirs."""
    if call.argument(0, "signal") == "enqueue":
        put_reserved(call.args[1].options)
    return call


EMITS: Final = sends(_put)
"""Around a broker's `emit_before`."""

PROCESSES: Final = works(lambda call: call.argument(0, "message").options)
"""Around a worker's `process_message`."""
