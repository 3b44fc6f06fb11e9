"""confluent-kafka: headers of each message. Upstream makes a span current that is linked to a message, without its
baggage; for a batch one of all messages."""

from __future__ import annotations

from typing import Any, Final

from otel_genai_instrumentors import confluent_types as types
from otel_genai_instrumentors.header_pairs import copies, pairs_at
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    NO_MESSAGE,
    QueueInstrumentor,
    ends,
    reads,
    reads_batch,
    sends,
    where,
)

__all__ = ["ConfluentKafkaInstrumentor"]

_UPSTREAM: Final = "opentelemetry.instrumentation.confluent_kafka"
_CONSUMERS: Final = (
    ("confluent_kafka", "Consumer"),
    (_UPSTREAM, "AutoInstrumentedConsumer"),
    ("confluent_kafka.deserializing_consumer", "DeserializingConsumer"),
    ("confluent_kafka.aio._AIOConsumer", "AIOConsumer"),
)
_SHARES: Final = (
    ("confluent_kafka", "ShareConsumer"),
    ("confluent_kafka.deserializing_share_consumer", "DeserializingShareConsumer"),
)
_PRODUCERS: Final = (
    ("confluent_kafka", "Producer"),
    (_UPSTREAM, "AutoInstrumentedProducer"),
    ("confluent_kafka.serializing_producer", "SerializingProducer"),
)


def _headers(message: Any) -> object:
    """A message may be an error."""
    return NO_MESSAGE if message.error() is not None else message.headers()


_READ: Final = {
    "poll": where(types.is_asked_directly, reads(_headers)),
    "consume": where(types.is_asked_directly, reads_batch(_headers)),
    "close": ends,
}
_SHARED: Final = {"poll": reads_batch(_headers, types.in_messages), "close": ends}


class ConfluentKafkaInstrumentor(QueueInstrumentor):
    """Producers, but for `produce_batch` and `AIOProducer`, which send no headers; consumers of every kind."""

    library = "confluent-kafka"
    requirements = ("confluent-kafka >= 2.0",)
    places = (
        *(
            Patch(module, f"{kind}.{name}", wrapper, optional=True)
            for consumers, functions in ((_CONSUMERS, _READ), (_SHARES, _SHARED))
            for module, kind in consumers
            for name, wrapper in functions.items()
        ),
        *(
            Patch(module, f"{kind}.produce", sends(pairs_at(6, "headers")), optional=True)
            for module, kind in _PRODUCERS
        ),
        types.READS_IN_THREADS,
        copies(_UPSTREAM, "AutoInstrumentedProducer.produce", 6, "headers"),
    )

    def _apply(self, patches: list[Patch], module: Any) -> bool:
        if module.__name__ == "confluent_kafka":
            types.replace_type(module, "Consumer", _READ)
            types.replace_type(module, "ShareConsumer", _SHARED)
            types.replace_type(module, "Producer", ("produce",))
        return super()._apply(patches, module)
