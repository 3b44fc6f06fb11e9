"""gevent: a greenlet begins in the context of whoever spawns it, as a thread does. Nothing but OpenTelemetry's context
is taken along: what else is in context variables stays as it is without us."""

from __future__ import annotations

import contextvars
from typing import Any

import wrapt
from opentelemetry import context

from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.pool_tasks import in_this_context
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, sends

__all__ = ["GeventInstrumentor"]


def _to_thread(call: Call) -> Call:
    return call.replaced(0, "func", in_this_context(call.argument(0, "func")))


class GeventInstrumentor(QueueInstrumentor):
    """Greenlets, spawned now or later, of pools too, and gevent's pool of threads."""

    library = "gevent"
    requirements = ("gevent >= 21.12",)
    places = (Patch("gevent.threadpool", "ThreadPool.spawn", sends(_to_thread)),)

    def _instrument(self, **options: Any) -> None:
        super()._instrument(**options)
        self._carries = self._turn is not None
        wrapt.register_post_import_hook(self._greenlets, "gevent.greenlet")

    def _uninstrument(self, **options: Any) -> None:
        self._carries = False
        super()._uninstrument(**options)

    @guarded("instrumentor.patch gevent", default=None)
    def _greenlets(self, module: Any) -> None:
        """gevent itself calls back for every greenlet: its classes are of C, and cannot be patched. A callback that is
        there already is not added again."""
        module.Greenlet.add_spawn_callback(self._spawned)

    @guarded("queue.gevent", default=None)
    def _spawned(self, greenlet: Any) -> None:
        current = context.get_current()
        if current and self._carries:
            held = greenlet.gr_context or contextvars.Context()
            held.run(context.attach, current)
            greenlet.gr_context = held
