"""Celery: upstream's instrumentation carries the headers, and makes them current in a task, but for its baggage with
`use_span_links`. Within its signals each task is bound, so that what a task leaves running is nobody's afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from otel_genai_cost.tenancy.rolling import Reader, enter, leave
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, makes

__all__ = ["CeleryInstrumentor"]

_TASKS: Final = Reader()


def _begin(call: Call, _: Any) -> None:
    """After every receiver. A task that is called in place is for whom that is done."""
    request = call.kwargs["task"].request
    if not request.is_eager:
        enter(_TASKS, request.__dict__)


_BEGINS: Final = makes(_begin)


def _signal(
    wrapped: Callable[..., Any], signal: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if signal.name == "task_prerun":
        return _BEGINS(wrapped, signal, args, kwargs)
    if signal.name == "task_postrun":
        leave(_TASKS)
    return wrapped(*args, **kwargs)


class CeleryInstrumentor(QueueInstrumentor):
    """Tasks in a worker."""

    library = "celery"
    requirements = ("celery >= 5.2",)
    places = (Patch("celery.utils.dispatch.signal", "Signal.send", _signal),)
