"""Celery: headers of each task's message. Upstream's instrumentation carries them too, and makes them current in a
task, but for their baggage with `use_span_links`; ours does so beside it or without it."""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost.tenancy.envelope import inject
from otel_genai_cost.tenancy.rolling import Reader, enter, leave
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, makes, sends, works

__all__ = ["CeleryInstrumentor"]

_TASKS: Final = Reader()
_SIGNALS: Final = "celery.signals"
_OF_TASKS: Final = ("task_prerun", "task_postrun")
_LISTENS: Final = "genai-cost"


def _put(_: Call, message: Any) -> None:
    """Before any receiver of `before_task_publish`. A task that is retried brings its own, which replaces this."""
    inject(message.headers)


def _begin(call: Call, _: Any) -> None:
    """After every receiver. A task that is called in place is for whom that is done."""
    request: Any = call.kwargs["task"].request
    if not request.is_eager:
        of_first_protocol: dict[str, object] = request.headers or {}
        enter(_TASKS, {**of_first_protocol, **request.__dict__})


def _end(call: Call) -> Call:
    leave(_TASKS)
    return call


def _listens(**_: Any) -> None:
    """Celery sends no signal that nobody listens to."""


class CeleryInstrumentor(QueueInstrumentor):
    """Tasks in every kind of worker, and whoever sends them. What beat sends is nobody's."""

    library = "celery"
    requirements = ("celery >= 5.2",)
    places = (
        Patch("celery.app.amqp", "AMQP.as_task_v2", makes(_put)),
        Patch("celery.app.amqp", "AMQP.as_task_v1", makes(_put)),
        Patch(_SIGNALS, "task_prerun.send", makes(_begin)),
        Patch(_SIGNALS, "task_postrun.send", sends(_end)),
        Patch("celery.beat", "Service.start", works(lambda _: None)),
    )

    def _apply(self, patches: list[Patch], module: Any) -> bool:
        if module.__name__ == _SIGNALS:
            for name in _OF_TASKS:
                getattr(module, name).connect(_listens, weak=False, dispatch_uid=_LISTENS)
        return super()._apply(patches, module)
