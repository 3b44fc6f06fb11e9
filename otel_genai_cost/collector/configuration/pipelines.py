"""The pipelines of a collector's configuration, and what their processors mean for a hop that prices spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.collector.configuration.yaml_values import mapping_in
from otel_genai_cost.errors import ConfigurationError

__all__ = [
    "CONTEXT_ENDS",
    "SAMPLING",
    "Pipeline",
    "chosen",
    "kind",
    "leading",
    "trace_pipelines",
]

_ADDING: Final = frozenset(
    {
        "attributes", "gen_ai_normalizer", "genainormalizer", "geoip", "groupbyattrs",
        "group_by_attrs", "k8s_attributes", "k8sattributes", "lookup", "memory_limiter", "resource",
        "resource_detection", "resourcedetection", "schema", "span", "transform",
    }
)  # fmt: skip
"""Processors that say more of spans and keep all of them: where those lead, the hop comes after them. Some ask who sent
a request, which is known only before it goes on."""

SAMPLING: Final = frozenset({"filter", "probabilistic_sampler", "tail_sampling"})
"""Processors that drop spans."""

CONTEXT_ENDS: Final = frozenset({"batch", "groupbytrace", "group_by_trace", "tail_sampling"})
"""Processors behind which nobody knows who sent a span."""


class Pipeline(NamedTuple):
    """A pipeline of spans: its name and its components, in the file's order."""

    name: str
    receivers: tuple[str, ...]
    processors: tuple[str, ...]
    exporters: tuple[str, ...]


def kind(component: str) -> str:
    """The type in a component's name."""
    return component.partition("/")[0].strip()


def trace_pipelines(values: Mapping[str, Any], file: str) -> list[Pipeline]:
    """The pipelines of spans.

    Args:
        values: What a configuration says.
        file: Its name, for messages.

    Raises:
        ConfigurationError: if it says so by what only a collector resolves, or has none.
    """
    if "apiVersion" in values and "service" not in values:
        raise ConfigurationError(
            "a resource of Kubernetes, around a configuration",
            value=values.get("kind"),
            where=file,
            remedy="name a file with what is in it, under spec.config or data",
        )
    pipelines = _section(values, ("service", "pipelines"), file)
    found = [
        Pipeline(name, *(_items(pipelines, name, part, file) for part in Pipeline._fields[1:]))
        for name in pipelines
        if kind(name) == "traces"
    ]
    if not found:
        has = ", ".join(pipelines) or "none"
        raise ConfigurationError(
            f"no pipeline of traces (pipelines: {has})",
            where=file,
            remedy="GenAI calls are read from spans: add one with an otlp receiver",
        )
    return found


def _section(values: Mapping[str, Any], path: tuple[str, ...], file: str) -> Mapping[str, Any]:
    """A section that is there and written out."""
    for depth in range(1, len(path) + 1):
        within: Any = mapping_in(values, *path[: depth - 1]).get(path[depth - 1])
        where = ".".join(path[:depth])
        if within in (None, ""):
            raise ConfigurationError(f"no {where}", where=file, remedy="name a complete file")
        if not isinstance(within, dict):
            raise _unresolved(where, within, file)
    return mapping_in(values, *path)


def _items(pipelines: Mapping[str, Any], name: str, part: str, file: str) -> tuple[str, ...]:
    _section({"service.pipelines": pipelines}, ("service.pipelines", name), file)
    given: Any = pipelines[name].get(part)
    if given in (None, ""):
        return ()
    items = cast("Sequence[Any]", given if isinstance(given, list) else [None])
    if not all(isinstance(one, str) for one in items):
        raise _unresolved(f"service.pipelines.{name}.{part}", given, file)
    return tuple(items)


def _unresolved(where: str, value: Any, file: str) -> ConfigurationError:
    return ConfigurationError(
        f"{where} is not written out",
        value=value,
        where=file,
        remedy="name the file that says it, or what the collector's `print-config` prints",
    )


def chosen(
    pipelines: Sequence[Pipeline], names: Sequence[str], connectors: Mapping[str, Any], file: str
) -> list[Pipeline]:
    """The pipelines to price: those where spans come in, all of which have the same receivers.

    Args:
        pipelines: Of spans.
        names: The ones asked for; none for all where spans come in.
        connectors: Of the configuration; what comes from one came in elsewhere.
        file: For messages.

    Raises:
        ConfigurationError: if a name is unknown, or they take from different receivers.
    """
    known = {one.name: one for one in pipelines}
    for name in names:
        if name not in known:
            raise ConfigurationError(
                "no such pipeline of traces", value=name, where=file, remedy=_choose(pipelines)
            )
    entries = [known[name] for name in names] or [
        one for one in pipelines if any(item not in connectors for item in one.receivers)
    ]
    if not entries:
        raise ConfigurationError(
            "no pipeline of traces has a receiver", where=file, remedy=_choose(pipelines)
        )
    if len({frozenset(one.receivers) for one in entries}) > 1:
        taken = "; ".join(f"{one.name} from {', '.join(one.receivers)}" for one in entries)
        raise ConfigurationError(
            f"its pipelines of traces take from different receivers ({taken})",
            where=file,
            remedy="choose with --pipeline; each further one needs a hop and a --name of its own",
        )
    return entries


def _choose(pipelines: Sequence[Pipeline]) -> str:
    return f"it has {', '.join(one.name for one in pipelines)}"


def leading(pipelines: Sequence[Pipeline]) -> tuple[str, ...]:
    """The processors that all the pipelines begin with, up to the first that could drop, hold or hide a span."""
    return tuple(_leading(pipelines))


def _leading(pipelines: Sequence[Pipeline]) -> Iterator[str]:
    for processors in zip(*(one.processors for one in pipelines), strict=False):
        if len({*processors}) > 1 or kind(processors[0]) not in _ADDING:
            return
        yield processors[0]
