"""procrastinate: a row of a job has room in its arguments alone, which a worker without us would pass to the task. So
they are read always, and carry an envelope once OTEL_GENAI_COST_QUEUE_ARGUMENTS says that all workers read them."""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost.tenancy.carriers import RESERVED_KEY
from otel_genai_cost.tenancy.envelope import as_argument
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, makes, sends, works

__all__ = ["ProcrastinateInstrumentor"]

_HELD: Final = "_genai_cost_envelope"
"""Where a job that was read has it. A retry runs what is stored."""


def _put(call: Call) -> Call:
    return call.replaced(0, "jobs", [_with_envelope(job) for job in call.argument(0, "jobs")])


def _with_envelope(job: Any) -> Any:
    envelope = as_argument("procrastinate", getattr(job, _HELD, None))
    if envelope is None:
        return job
    return job.evolve(task_kwargs={**job.task_kwargs, RESERVED_KEY: envelope})


def _take(_: Call, job: Any) -> None:
    object.__setattr__(job, _HELD, job.task_kwargs.pop(RESERVED_KEY, None))


def _of_job(call: Call) -> object:
    return {RESERVED_KEY: getattr(call.argument(0, "context").job, _HELD, None)}


class ProcrastinateInstrumentor(QueueInstrumentor):
    """Tasks, sync and async, their middleware, batches, retries. Periodic ones are nobody's."""

    library = "procrastinate"
    requirements = ("procrastinate >= 3.2",)
    places = (
        Patch("procrastinate.manager", "JobManager._defer_jobs_query_kwargs", sends(_put)),
        Patch("procrastinate.jobs", "Job.from_row", makes(_take)),
        Patch("procrastinate.worker", "Worker._process_job", works(_of_job)),
    )
