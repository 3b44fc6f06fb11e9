"""kafka-python: headers of each message. Upstream's instrumentation ends its span before the loop's body."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    QueueInstrumentor,
    by_key,
    copies,
    ends,
    pairs_at,
    reads,
    reads_batch,
    sends,
)

__all__ = ["KafkaPythonInstrumentor"]

_CONSUMER: Final = "kafka.consumer.group"


_headers = attrgetter("headers")


class KafkaPythonInstrumentor(QueueInstrumentor):
    """Producers; consumers in a loop and by `poll`."""

    library = "kafka-python"
    requirements = ("kafka-python >= 2.0",)
    places = (
        Patch("kafka.producer.kafka", "KafkaProducer.send", sends(pairs_at(3, "headers"))),
        copies("kafka.producer.kafka", "KafkaProducer.send", 3, "headers"),
        Patch(_CONSUMER, "KafkaConsumer.__next__", reads(_headers)),
        Patch(_CONSUMER, "KafkaConsumer.poll", reads_batch(_headers, by_key)),
        Patch(_CONSUMER, "KafkaConsumer.close", ends),
    )
