"""aiokafka: headers of each message. Upstream's instrumentation ends its span before the loop's body."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from otel_genai_instrumentors.header_pairs import pairs_at, sends_pairs
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    QueueInstrumentor,
    by_key,
    ends,
    reads,
    reads_batch,
    sends,
)

__all__ = ["AiokafkaInstrumentor"]

_CONSUMER: Final = "aiokafka.consumer.consumer"
_headers: Final = attrgetter("headers")


class AiokafkaInstrumentor(QueueInstrumentor):
    """Producers, batches that an application builds; consumers in a loop, by `getone` and by `getmany`."""

    library = "aiokafka"
    requirements = ("aiokafka >= 0.10",)
    places = (
        *sends_pairs("aiokafka.producer.producer", "AIOKafkaProducer.send", 5, "headers"),
        Patch(
            "aiokafka.producer.message_accumulator",
            "BatchBuilder.append",
            sends(pairs_at(3, "headers")),
            optional=True,
        ),
        Patch(_CONSUMER, "AIOKafkaConsumer.__anext__", reads(_headers)),
        Patch(_CONSUMER, "AIOKafkaConsumer.getone", reads(_headers)),
        Patch(_CONSUMER, "AIOKafkaConsumer.getmany", reads_batch(_headers, by_key)),
        Patch(_CONSUMER, "AIOKafkaConsumer.stop", ends),
    )
