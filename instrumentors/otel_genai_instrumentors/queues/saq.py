"""SAQ: the envelope is a part of a job's `meta`, which a retry keeps."""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost.tenancy.envelope import put_reserved
from otel_genai_cost.tenancy.rolling import Reader, enter
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, releases, sends, works

__all__ = ["SaqInstrumentor"]

_JOBS: Final = Reader()
"""Each job is read in a task of its own."""


def _put(call: Call) -> Call:
    job = call.argument(0, "job")
    job.meta = dict[str, Any](job.meta or {})
    put_reserved(job.meta)
    return call


def _take(call: Call) -> Call:
    enter(_JOBS, call.argument(0, "ctx")["job"].meta)
    return call


class SaqInstrumentor(QueueInstrumentor):
    """Jobs and the hooks around them; retries. Those of a schedule are nobody's."""

    library = "saq"
    requirements = ("saq >= 0.20",)
    places = (
        Patch("saq.queue.base", "Queue._before_enqueue", sends(_put)),
        Patch("saq.worker", "Worker._before_process", sends(_take)),
        Patch("saq.worker", "Worker.process", releases(_JOBS)),
        Patch("saq.worker", "Worker.schedule", works(lambda _: None)),
    )
