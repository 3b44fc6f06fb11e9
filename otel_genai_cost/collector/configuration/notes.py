"""What the owner of a collector's configuration should know of it, where a hop that prices spans is put in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from otel_genai_cost.collector.configuration.pipelines import (
    CONTEXT_ENDS,
    SAMPLING,
    Pipeline,
    kind,
)
from otel_genai_cost.collector.configuration.queues import is_in_memory
from otel_genai_cost.collector.configuration.yaml_values import mapping_in, texts_in

__all__ = ["notes_on"]

_LIMITER: Final = "memory_limiter"
_OF_REQUEST: Final = ("from_context", "otelcol.client", "otelcol.grpc")


def notes_on(
    values: Mapping[str, Any],
    pipelines: Sequence[Pipeline],
    group: Sequence[Pipeline],
    front: Sequence[str],
    tenant: str,
) -> Iterator[str]:
    """One line for each thing.

    Args:
        values: What the configuration says.
        pipelines: Its pipelines of spans.
        group: Those that are priced.
        front: The processors before the hop.
        tenant: The span attribute that names a tenant.
    """
    processors = mapping_in(values, "processors")
    for one in group:
        behind = [item for item in one.processors if item not in front]
        yield from _on_order(one, front, behind)
        yield from _on_context(one, processors)
        for item in behind:
            if _mentions(processors.get(item), tenant):
                yield (
                    f"{one.name}: {item} has {tenant}, behind the hop: the hop sees what spans say"
                    f" before it. If it names the tenant, move it to the front of the pipeline"
                )
    if not any(_mentions(processors.get(item), tenant) for item in front):
        yield f"nothing before the hop sets {tenant}: spans or their resources have to name it"
    yield from _on_others(pipelines, group)
    yield from _on_queues(values, pipelines)


def _on_order(one: Pipeline, front: Sequence[str], behind: Sequence[str]) -> Iterator[str]:
    sampling = [item for item in behind if kind(item) in SAMPLING]
    if sampling:
        yield (
            f"{one.name}: spans are priced before {', '.join(sampling)}: what is dropped there was"
            " billed by its provider as well"
        )
    kinds = [kind(item) for item in one.processors]
    if _LIMITER not in kinds:
        there = "; the one of the file is put first" if any(map(_limits, front)) else ""
        yield f"{one.name}: it has no {_LIMITER}, which should be its first processor{there}"
    elif kinds[0] != _LIMITER:
        yield f"{one.name}: {_LIMITER} stands behind {one.processors[0]}; it should be first"
    for item, later in zip(one.processors, one.processors[1:], strict=False):
        if kind(item) == "batch" and kind(later) in SAMPLING:
            yield f"{one.name}: {item} stands before {later}; batch what is left, behind it"


def _limits(item: str) -> bool:
    return kind(item) == _LIMITER


def _on_context(one: Pipeline, processors: Mapping[str, Any]) -> Iterator[str]:
    """What asks who sent a request where nobody knows any more."""
    ended = ""
    for item in one.processors:
        if ended and _mentions(processors.get(item), *_OF_REQUEST):
            yield f"{one.name}: {item} asks who sent a request behind {ended}, which forgets it"
        if kind(item) in CONTEXT_ENDS:
            ended = ended or item


def _on_others(pipelines: Sequence[Pipeline], group: Sequence[Pipeline]) -> Iterator[str]:
    taken = {*group[0].receivers}
    for one in pipelines:
        shared = sorted(taken & {*one.receivers})
        if one not in group and shared:
            yield f"{one.name} takes from {', '.join(shared)} too, and gets spans without a price"


def _on_queues(values: Mapping[str, Any], pipelines: Sequence[Pipeline]) -> Iterator[str]:
    exporters = mapping_in(values, "exporters")
    used = dict.fromkeys(item for one in pipelines for item in one.exporters if item in exporters)
    held = [item for item in used if is_in_memory(item, exporters[item])]
    if held:
        yield (
            f"{', '.join(held)}: the queue is in memory, so spans that wait there are lost with the"
            " process (their charges are not: those are journalled before). Set"
            " sending_queue.storage to keep them"
        )


def _mentions(value: Any, *words: str) -> bool:
    """Whether a part of a configuration has one of the words in a key or a value."""
    return any(word in text for text in texts_in(value) for word in words)
