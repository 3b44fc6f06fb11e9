"""Futures of concurrent.futures: a callback runs for whoever added it, not for whoever's work started the thread that
it runs on."""

from __future__ import annotations

from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.pool_tasks import in_this_context
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, sends

__all__ = ["FuturesInstrumentor"]


def _add(call: Call) -> Call:
    return call.replaced(0, "fn", in_this_context(call.argument(0, "fn")))


class FuturesInstrumentor(QueueInstrumentor):
    """Callbacks of futures."""

    library = "concurrent.futures"
    places = (Patch("concurrent.futures._base", "Future.add_done_callback", sends(_add)),)
