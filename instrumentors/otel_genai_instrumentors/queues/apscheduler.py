"""APScheduler 3: a job that runs once is for whoever added it; one that runs again and again is nobody's until it says
whose, whatever the scheduler, its thread or its timer was started in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.envelope import inject
from otel_genai_cost.tenancy.received import Received, received
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, makes, works
from otel_genai_instrumentors.unseen import Inside

__all__ = ["APSchedulerInstrumentor"]

_WAITING: Final = "_genai_cost_waiting"  # where a scheduler has the envelopes of jobs, by their ids
_WAITING_MAX: Final = 10_000  # a job that is removed leaves its envelope; the oldest go first
_RUNNING: Final = "_genai_cost_running"  # where an executor has the messages that it is at


def _kept(holder: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = holder.__dict__.setdefault(name, {})
    return found


def _runs_once(job: Any) -> bool:
    return type(job.trigger).__name__ == "DateTrigger"


def _keep(call: Call, _: None) -> None:
    job, scheduler = call.instance, call.argument(0, "scheduler")
    if _runs_once(job):
        waiting = _kept(scheduler, _WAITING)
        waiting[job.id] = inject(dict[str, str]())
        if len(waiting) > _WAITING_MAX:
            waiting.pop(next(iter(waiting)), None)


@guarded("queue.apscheduler", default=None)
def _begin(executor: Any, job: Any) -> Received:
    envelope = _kept(executor._scheduler, _WAITING).pop(job.id, None)
    message = received(envelope if _runs_once(job) else None)
    _kept(executor, _RUNNING)[job.id] = message
    return message


def _submit(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    job = Call(instance, args, kwargs).argument(0, "job")
    message = _begin(instance, job) or received(None)
    with Inside(message.context):
        return wrapped(*args, **kwargs)


def _end(call: Call, _: None) -> None:
    message = _kept(call.instance, _RUNNING).pop(call.argument(0, "job_id"), None)
    if message is not None:  # of a job that recurs, the last one's: nobody's, so it does not matter
        message.close()


class APSchedulerInstrumentor(QueueInstrumentor):
    """Jobs in threads, in an event loop and in processes."""

    library = "apscheduler"
    requirements = ("apscheduler >= 3.7, < 4",)
    places = (
        Patch("apscheduler.job", "Job.__init__", makes(_keep)),
        Patch("apscheduler.schedulers.base", "BaseScheduler._process_jobs", works(lambda _: None)),
        Patch("apscheduler.executors.base", "BaseExecutor.submit_job", _submit),
        Patch("apscheduler.executors.base", "BaseExecutor._run_job_success", makes(_end)),
        Patch("apscheduler.executors.base", "BaseExecutor._run_job_error", makes(_end)),
    )
