"""What a collector acknowledges before anybody else has it, and forgets when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.collector.configuration.pipelines import kind
from otel_genai_cost.collector.configuration.yaml_values import composed, mapping_in, value_of

__all__ = ["Held", "held_in_memory", "is_in_memory"]

_QUEUELESS: Final = frozenset({"debug", "file", "logging", "nop", "prometheus"})
"""Exporters that have no queue."""

_WAITING: Final = frozenset(
    {"batch", "groupbytrace", "group_by_trace", "queuebatch", "queue_batch", "tail_sampling"}
)
"""Processors that answer at once, and pass on later."""


class Held(NamedTuple):
    """A component of a pipeline that keeps what it took in memory; `is_known` is False where the file does not say."""

    pipeline: str
    component: str
    is_known: bool


def held_in_memory(text: str, file: str) -> list[Held]:
    """What in a configuration keeps what it took in memory, pipeline by pipeline.

    Args:
        text: Of the file.
        file: Its name, for messages.

    Raises:
        ConfigurationError: if it is no collector's configuration.
    """
    return list(_held(value_of(composed(text, file), file)))


def _held(values: Any) -> Iterator[Held]:
    exporters = mapping_in(values, "exporters")
    for name, pipeline in mapping_in(values, "service", "pipelines").items():
        for item in _items(pipeline, "processors"):
            if kind(item) in _WAITING:
                yield Held(name, item, is_known=True)
        for item in _items(pipeline, "exporters"):
            if item in exporters and is_in_memory(item, exporters[item]):
                said = exporters[item]
                yield Held(name, item, is_known=not isinstance(said, str))


def _items(pipeline: Any, part: str) -> list[str]:
    given: Any = mapping_in(pipeline).get(part)
    items = cast("Sequence[Any]", given if isinstance(given, list) else ())
    return [item for item in items if isinstance(item, str)]


def is_in_memory(name: str, exporter: Any) -> bool:
    """Whether an exporter's queue is in memory, as it is unless its configuration says otherwise.

    Args:
        name: Of the exporter.
        exporter: Its configuration.
    """
    if kind(name) in _QUEUELESS:
        return False
    queue = mapping_in(exporter, "sending_queue")
    return queue.get("enabled") != "false" and not queue.get("storage")
