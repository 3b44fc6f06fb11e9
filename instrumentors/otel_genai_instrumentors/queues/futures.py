"""Futures of concurrent.futures: a callback runs for whoever added it, not for whoever's work started the thread that
it runs on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import context

from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, sends

__all__ = ["FuturesInstrumentor"]


def _add(call: Call) -> Call:
    function: Callable[[Any], Any] = call.argument(0, "fn")
    asked_in = context.get_current()

    def called(future: Any) -> Any:
        token = context.attach(asked_in)
        try:
            return function(future)
        finally:
            context.detach(token)

    return call.replaced(0, "fn", called)


class FuturesInstrumentor(QueueInstrumentor):
    """Callbacks of futures."""

    library = "concurrent.futures"
    places = (Patch("concurrent.futures._base", "Future.add_done_callback", sends(_add)),)
