"""huey: the envelope stands behind a pickled task, of which a worker without us reads only the task."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any, Final

from otel_genai_cost.tenancy.carriers import RESERVED_KEY
from otel_genai_cost.tenancy.envelope import reserved
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, makes, sends, works

__all__ = ["HueyInstrumentor"]

_HELD: Final = "_genai_cost_envelope"
"""Where a task that was read has it; one that was only made is for whoever sends it."""

_MARK: Final = b"\n" + RESERVED_KEY.encode() + b" "
"""Between a pickle, which ends with a full stop, and JSON, which has no line breaks and ends with a brace."""

_written: ContextVar[object] = ContextVar("genai-cost-huey-written", default=None)
_read: ContextVar[object] = ContextVar("genai-cost-huey-read", default=None)
"""Between huey's function for a task and the serializer's."""


def _of_task(task: Any) -> dict[str, object]:
    return reserved(getattr(task, _HELD, None))


def _begin_write(call: Call) -> Call:
    _written.set(_of_task(call.argument(0, "task")))
    return call


def _write(_: Call, pickled: bytes) -> bytes | None:
    envelope = _written.get()
    _written.set(None)
    return None if envelope is None else pickled + _MARK + json.dumps(envelope).encode()


def _begin_read(call: Call) -> Call:
    _read.set({})
    return call


def _read_behind(call: Call) -> Call:
    pickled, mark, envelope = call.args[0].rpartition(_MARK)
    if mark and pickled.endswith(b".") and envelope.endswith(b"}"):
        _read.set(json.loads(envelope))
    return call


def _hold(_: Call, task: Any) -> None:
    setattr(task, _HELD, _read.get())


class HueyInstrumentor(QueueInstrumentor):
    """Tasks, their hooks and signals; retries, schedules, pipelines, groups, chords."""

    library = "huey"
    requirements = ("huey >= 2.5",)
    places = (
        Patch("huey.api", "Huey.serialize_task", sends(_begin_write)),
        Patch("huey.serializer", "Serializer._serialize", makes(_write)),
        Patch("huey.api", "Huey.deserialize_task", sends(_begin_read)),
        Patch("huey.serializer", "Serializer._deserialize", sends(_read_behind)),
        Patch("huey.api", "Huey.deserialize_task", makes(_hold)),
        Patch(
            "huey.api",
            "Huey.execute",
            works(lambda call: {RESERVED_KEY: _of_task(call.argument(0, "task"))}),
        ),
        *(
            Patch("huey.consumer", f"{name}.loop", works(lambda _: None))
            for name in ("Worker", "Scheduler")
        ),
    )
