"""RQ: a job's envelope is a field of its hash in Redis, which versions and workers without us leave alone."""

from __future__ import annotations

import json
from typing import Any, Final

from otel_genai_cost.tenancy.carriers import RESERVED_KEY
from otel_genai_cost.tenancy.envelope import reserved
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, makes, works

__all__ = ["RqInstrumentor"]

_HELD: Final = "_genai_cost_envelope"
"""Where a job has it while it is an object."""


def _mark(_: Call, job: Any) -> None:
    setattr(job, _HELD, json.dumps(reserved()))


def _store(call: Call, fields: dict[str, Any]) -> None:
    held = getattr(call.instance, _HELD, None)
    if held is not None:
        fields[RESERVED_KEY] = held


def _restore(call: Call, _: Any) -> None:
    fields = call.argument(0, "raw_data")
    held = fields.get(RESERVED_KEY.encode(), fields.get(RESERVED_KEY))
    if held is not None:
        setattr(call.instance, _HELD, held)


def _of_job(job: Any) -> dict[str, object]:
    return {RESERVED_KEY: getattr(job, _HELD, None)}


class RqInstrumentor(QueueInstrumentor):
    """Jobs, their callbacks, retries and repetitions."""

    library = "rq"
    requirements = ("rq >= 1.16",)
    places = (
        Patch("rq.job", "Job.create", makes(_mark)),
        Patch("rq.job", "Job.to_dict", makes(_store)),
        Patch("rq.job", "Job.restore", makes(_restore)),
        Patch("rq.job", "Job.perform", works(lambda call: _of_job(call.instance))),
        *(
            Patch(module, path, works(lambda call: _of_job(call.argument(0, "job"))), optional=True)
            for module, path in (
                ("rq.worker.base", "BaseWorker.perform_job"),
                ("rq.worker", "Worker.perform_job"),
            )
        ),
    )
