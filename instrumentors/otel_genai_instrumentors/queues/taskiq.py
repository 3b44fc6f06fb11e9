"""taskiq: labels of each message. Its own instrumentation puts a context there too, where psutil is installed, and
makes it current around what is done here."""

from __future__ import annotations

from typing import Any

from otel_genai_cost.tenancy.envelope import inject
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, makes, works

__all__ = ["TaskiqInstrumentor"]


def _put(_: Call, message: Any) -> None:
    """A retry, and what was scheduled once, have theirs."""
    inject(message.labels)


class TaskiqInstrumentor(QueueInstrumentor):
    """Tasks, sync and async, their retries. Those of a schedule by cron or interval are nobody's."""

    library = "taskiq"
    requirements = ("taskiq >= 0.11.7",)
    places = (
        Patch("taskiq.kicker", "AsyncKicker._prepare_message", makes(_put)),
        Patch("taskiq.receiver.receiver", "Receiver.callback", works(lambda _: None)),
        Patch(
            "taskiq.receiver.receiver",
            "Receiver.run_task",
            works(lambda call: call.argument(1, "message").labels),
        ),
        *(
            Patch(module, path, works(lambda _: None), optional=True)
            for module, path in (
                ("taskiq.kicker", "AsyncKicker.schedule_by_cron"),
                ("taskiq.kicker", "AsyncKicker.schedule_by_interval"),
                ("taskiq.scheduler.scheduler", "TaskiqScheduler.on_ready"),
            )
        ),
    )
