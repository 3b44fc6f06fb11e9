"""A2A: a message comes as a request, by whatever transport, and an agent works on it in a loop that its task has, until
long after that request. So it is for whom the request was, and not for whom the task was begun."""

from __future__ import annotations

from typing import Final

from otel_genai_instrumentors import a2a_requests as requests
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import QueueInstrumentor, sends, works

__all__ = ["A2AInstrumentor"]

_TASKS: Final = "a2a.server.agent_execution.active_task"
_LEGACY: Final = "a2a.server.request_handlers.default_request_handler"


class A2AInstrumentor(QueueInstrumentor):
    """Agents, by either handler; what they tell of a task."""

    library = "a2a-sdk"
    requirements = ("a2a-sdk >= 1.1",)
    places = (
        Patch(_TASKS, "ActiveTask.enqueue_request", sends(requests.keep)),
        Patch(_TASKS, "ActiveTask.__init__", sends(requests.with_executor)),
        Patch(_TASKS, "ActiveTask._run_producer", works(lambda _: None)),
        Patch(_TASKS, "ActiveTask._run_consumer", works(lambda _: None)),
        Patch(_TASKS, "EventConsumer._process_event", sends(requests.follow), optional=True),
        Patch(_LEGACY, "LegacyRequestHandler._run_event_stream", requests.at_once),
    )
