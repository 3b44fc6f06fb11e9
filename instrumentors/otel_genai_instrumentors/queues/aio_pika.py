"""aio-pika: AMQP's headers. Upstream's span of a message that is iterated over ends before the loop's body; around a
callback, upstream makes a context current in which nothing ends with the message, so ours is within that, too."""

from __future__ import annotations

import copy
from operator import attrgetter
from typing import Any, Final

from otel_genai_cost.tenancy.envelope import inject
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    Call,
    QueueInstrumentor,
    calls_back,
    ends,
    reads,
    sends,
)

__all__ = ["AioPikaInstrumentor"]

_headers: Final = attrgetter("headers")


def _put(call: Call) -> Call:
    """Into a copy: an application may publish its message again for somebody else."""
    message: Any = call.argument(0, "message")
    headers = inject(dict(message.headers))
    if headers == message.headers:
        return call
    made = copy.copy(message)
    made.headers = headers
    return call.replaced(0, "message", made)


class AioPikaInstrumentor(QueueInstrumentor):
    """Publishing; consuming by a callback, in a loop and by `get`, with robust connections and without."""

    library = "aio-pika"
    requirements = ("aio-pika >= 9.0",)
    places = (
        Patch("aio_pika.exchange", "Exchange.publish", sends(_put)),
        *(
            Patch(
                "aio_pika.queue",
                "Queue.consume",
                calls_back(0, "callback", lambda call: call.args[0].headers),
                outside=outside,
            )
            for outside in (False, True)
        ),
        Patch("aio_pika.queue", "Queue.get", reads(_headers)),
        Patch("aio_pika.queue", "QueueIterator.__anext__", reads(_headers)),
        Patch("aio_pika.queue", "QueueIterator.close", ends),
        Patch(
            "aio_pika.robust_queue",
            "RobustQueueIterator.__anext__",
            reads(_headers),
            optional=True,
        ),
    )
