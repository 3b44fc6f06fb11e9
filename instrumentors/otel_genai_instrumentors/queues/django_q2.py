"""django-q2: the envelope is one more entry of a task, which goes from process to process with it."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.tenancy.envelope import put_reserved
from otel_genai_cost.tenancy.rolling import Reader, enter
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, releases, sends, works

__all__ = ["DjangoQ2Instrumentor"]

_TASKS: Final = Reader()
"""A worker works on one after the other, in a loop that nothing surrounds but two signals, of which old
versions have the first."""


def _put(call: Call) -> Call:
    put_reserved(call.kwargs["task"])
    return call


def _take(call: Call) -> Call:
    enter(_TASKS, call.kwargs["task"])
    return call


class DjangoQ2Instrumentor(QueueInstrumentor):
    """Tasks; in the monitor, their hooks and the further steps of their chains. Those of a schedule are nobody's."""

    library = "django-q2"
    requirements = ("django-q2 >= 1.6.2",)
    places = (
        Patch("django_q.signals", "pre_enqueue.send", sends(_put)),
        Patch("django_q.signals", "pre_execute.send", sends(_take)),
        Patch("django_q.signals", "post_execute_in_worker.send", releases(_TASKS), optional=True),
        Patch("django_q.signals", "post_execute.send", works(lambda call: call.kwargs["task"])),
        *(
            Patch("django_q.monitor", name, works(lambda call: call.argument(0, "task")))
            for name in ("save_task", "save_cached")
        ),
        Patch("django_q.scheduler", "scheduler", works(lambda _: None)),
    )
