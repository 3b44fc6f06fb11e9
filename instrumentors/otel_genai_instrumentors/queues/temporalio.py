"""Temporal: a header of each workflow, activity, signal, update and query."""

from __future__ import annotations

from typing import Final

from otel_genai_instrumentors import temporal_headers as headers
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import QueueInstrumentor, releases, sends, works

__all__ = ["TemporalInstrumentor"]

_CLIENTS: Final = ("temporalio.client", "temporalio.client._impl")
_ACTIVITIES: Final = "temporalio.worker._activity"
_WORKFLOWS: Final = "temporalio.worker._workflow_instance"
_ASKED: Final = (
    *("start_workflow", "signal_workflow", "query_workflow"),
    *("start_workflow_update", "start_activity"),
)
_COMMANDS: Final = (
    *("start_activity", "start_local_activity", "start_child_workflow", "continue_as_new"),
    *("signal_child_workflow", "signal_external_workflow"),
)
_HANDLED: Final = (
    *("execute_workflow", "handle_signal", "handle_query"),
    *("handle_update_validator", "handle_update_handler"),
)


class TemporalInstrumentor(QueueInstrumentor):
    """Clients; workflows, their handlers, children and next runs; activities, local ones, and their retries. Whatever
    else a worker does is nobody's, as are schedules."""

    library = "temporalio"
    requirements = ("temporalio >= 1.9",)
    places = (
        *(
            Patch(module, f"_ClientImpl.{name}", sends(put), optional=True)
            for module in _CLIENTS
            for name, put in (
                *((asked, headers.put) for asked in _ASKED),
                ("start_update_with_start_workflow", headers.put_both),
            )
        ),
        *(
            Patch(_WORKFLOWS, f"_WorkflowOutboundImpl.{name}", sends(headers.put))
            for name in _COMMANDS
        ),
        *(
            Patch(_WORKFLOWS, f"_WorkflowInboundImpl.{name}", wrapper, optional=True)
            for name in _HANDLED
            for wrapper in (releases(headers.HANDLERS), sends(headers.take))
        ),
        Patch(_WORKFLOWS, "_WorkflowInstanceImpl.activate", works(lambda _: None)),
        *(
            Patch(_ACTIVITIES, f"_ActivityWorker.{name}", works(lambda _: None), optional=True)
            for name in ("_handle_start_activity_task", "_run_activity")
        ),
        Patch(_ACTIVITIES, "_ActivityInboundImpl.execute_activity", works(headers.carrier)),
        Patch(
            "temporalio.worker.workflow_sandbox._importer",
            "Importer.__init__",
            sends(headers.with_ours),
        ),
    )
