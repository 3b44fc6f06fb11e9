"""pika: AMQP's headers. Upstream makes a generator's span current, without the baggage of its message."""

from __future__ import annotations

import copy
from importlib import import_module
from typing import Any, Final

from otel_genai_cost.tenancy.envelope import inject
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    NO_MESSAGE,
    Call,
    QueueInstrumentor,
    calls_back,
    ends,
    iterates,
    reads,
    sends,
)

__all__ = ["PikaInstrumentor"]

_BLOCKING: Final = "pika.adapters.blocking_connection"


def _put(call: Call) -> Call:
    given: Any = call.argument(3, "properties")
    known: dict[str, Any] = {} if given is None else given.headers or {}
    headers = inject(dict(known))
    if headers == known:
        return call
    made = copy.copy(given) if given is not None else import_module("pika").BasicProperties()
    made.headers = headers
    return call.replaced(3, "properties", made)


def _headers(message: Any) -> object:
    """Of a method, properties and a body; all None if there was no message."""
    properties = message[1]
    return NO_MESSAGE if properties is None else properties.headers


class PikaInstrumentor(QueueInstrumentor):
    """Publishing on every kind of connection; consuming on a blocking one."""

    library = "pika"
    requirements = ("pika >= 1.0",)
    places = (
        Patch("pika.channel", "Channel.basic_publish", sends(_put)),
        Patch(_BLOCKING, "BlockingChannel.consume", iterates(_headers)),
        Patch(_BLOCKING, "BlockingChannel.basic_get", reads(_headers)),
        Patch(
            _BLOCKING,
            "BlockingChannel.basic_consume",
            calls_back(1, "on_message_callback", lambda call: call.args[2].headers),
        ),
        Patch(_BLOCKING, "BlockingChannel.close", ends),
    )
