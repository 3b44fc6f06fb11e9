"""arq: the envelope stands beside the fields of a serialised job, of which a worker without us reads its own. What a
retry runs is what was stored."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Final

from otel_genai_cost.tenancy.carriers import RESERVED_KEY
from otel_genai_cost.tenancy.envelope import reserved
from otel_genai_cost.tenancy.rolling import Reader, enter
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, releases, sends

__all__ = ["ArqInstrumentor"]

_JOBS: Final = Reader()
"""Each job is a task of its own, which begins without one and reads its own."""


def _put(call: Call) -> Call:
    serializer: Callable[[Any], bytes] = call.kwargs.get("serializer") or pickle.dumps
    envelope = reserved()

    def dumps(fields: dict[str, Any]) -> bytes:
        return serializer({**fields, RESERVED_KEY: envelope})

    return call._replace(kwargs={**call.kwargs, "serializer": dumps})


def _take(call: Call) -> Call:
    deserializer: Callable[[bytes], Any] = call.kwargs.get("deserializer") or pickle.loads

    def loads(stored: bytes) -> Any:
        fields = deserializer(stored)
        enter(_JOBS, fields)
        return fields

    return call._replace(kwargs={**call.kwargs, "deserializer": loads})


class ArqInstrumentor(QueueInstrumentor):
    """Jobs and the hooks around them; retries; jobs that are sent again."""

    library = "arq"
    requirements = ("arq >= 0.25",)
    places = (
        Patch("arq.connections", "serialize_job", sends(_put)),
        Patch("arq.worker", "deserialize_job_raw", sends(_take)),
        Patch("arq.worker", "Worker.run_job", releases(_JOBS)),
    )
