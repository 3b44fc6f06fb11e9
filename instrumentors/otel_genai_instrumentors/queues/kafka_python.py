"""kafka-python: headers of each message. Upstream's instrumentation ends its span before the loop's body."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from otel_genai_instrumentors.header_pairs import sends_pairs
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    QueueInstrumentor,
    by_key,
    ends,
    reads,
    reads_batch,
)

__all__ = ["KafkaPythonInstrumentor"]

_CONSUMER: Final = "kafka.consumer.group"
_headers: Final = attrgetter("headers")


class KafkaPythonInstrumentor(QueueInstrumentor):
    """Producers; consumers in a loop and by `poll`."""

    library = "kafka-python"
    requirements = ("kafka-python >= 2.0",)
    places = (
        *sends_pairs("kafka.producer.kafka", "KafkaProducer.send", 3, "headers"),
        Patch(_CONSUMER, "KafkaConsumer.__next__", reads(_headers)),
        Patch(_CONSUMER, "KafkaConsumer.poll", reads_batch(_headers, by_key)),
        Patch(_CONSUMER, "KafkaConsumer.close", ends),
    )
