"""The hop put into a collector's configuration: a pipeline in front takes what comes, says more of it and sends it to
`genai-cost collector serve`; what that sends back is where the pipelines that were there begin now.

    services ──> traces/genai_cost ──> the hop ──> the pipelines as they were, without the processors in front
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.configuration.notes import notes_on
from otel_genai_cost.collector.configuration.pipelines import (
    Pipeline,
    chosen,
    kind,
    leading,
    trace_pipelines,
)
from otel_genai_cost.collector.configuration.yaml_text import YamlText
from otel_genai_cost.collector.configuration.yaml_values import Value, mapping_in, texts_in
from otel_genai_cost.errors import ConfigurationError

__all__ = ["Addition", "Wanted", "addition"]

_LIMITER: Final = "memory_limiter"


class Wanted(NamedTuple):
    """What is asked for.

    Attributes:
        hop: `host:port` where `genai-cost collector serve` listens.
        back: `host:port` where it sends priced spans.
        pipelines: Which to price; none for those where spans come in.
        name: Behind the slash in the names of what is added.
        queue: The folder that keeps what the hop has not taken yet.
        tenant: The span attribute that names a tenant.
    """

    hop: str
    back: str
    pipelines: Sequence[str] = ()
    name: str = "genai_cost"
    queue: str = "/var/lib/otelcol/genai_cost"
    tenant: str = names.TENANT_ID


class Addition(NamedTuple):
    """The file as it would be, and what its owner should know."""

    text: str
    notes: Sequence[str]


def addition(text: str, file: str, wanted: Wanted) -> Addition:
    """Put the hop into a configuration.

    Args:
        text: Of the configuration.
        file: Its name, for messages.
        wanted: What is asked for.

    Raises:
        ConfigurationError: if that cannot be done exactly.
    """
    document = YamlText(text, file)
    values = document.values
    pipelines = trace_pipelines(values, file)
    ours = _Names(values, wanted.name)
    if any(ours.receiver in one.receivers for one in pipelines):
        return Addition(text, [f"{file} has {ours.receiver} in its pipelines: nothing to add"])
    _check(values, ours, wanted, file)
    group = chosen(pipelines, wanted.pipelines, mapping_in(values, "connectors"), file)
    front = _front(group, values)
    notes = [*notes_on(values, pipelines, group, front, wanted.tenant)]
    notes += _put(document, ours, wanted, front, group)
    return Addition(document.result(), notes)


class _Names:
    """Of what is added. The exporter is called as the file calls those it has: older collectors know one name only."""

    def __init__(self, values: Mapping[str, Any], name: str) -> None:
        modern = any(kind(one) == "otlp_grpc" for one in mapping_in(values, "exporters"))
        self.exporter = f"otlp_grpc/{name}" if modern else f"otlp/{name}"
        self.receiver = f"otlp/{name}"
        self.pipeline = f"traces/{name}"
        stores = [one for one in mapping_in(values, "extensions") if kind(one) == "file_storage"]
        self.storage_is_new = not stores
        self.storage = stores[0] if stores else f"file_storage/{name}"


def _check(values: Mapping[str, Any], ours: _Names, wanted: Wanted, file: str) -> None:
    """That nothing we add is there for something else."""
    pipelines = values["service"]["pipelines"]
    for section, name in (("receivers", ours.receiver), ("exporters", ours.exporter)):
        if not isinstance(values.get(section), dict):
            raise ConfigurationError(
                f"{section} is not written out", where=file, remedy="name a complete file"
            )
        if name in values[section]:
            raise _taken(name, file)
    if ours.pipeline in pipelines:
        raise _taken(ours.pipeline, file)
    for option, address in (("--listen", wanted.hop), ("--to", wanted.back)):
        user = _user_of(values, ":" + address.rpartition(":")[2])
        if user is not None:
            raise ConfigurationError(
                f"{user} has this port",
                value=address,
                where=file,
                remedy=f"pass {option}, if that is not the hop already",
            )


def _user_of(values: Mapping[str, Any], port: str) -> str | None:
    """The component whose configuration names a port."""
    for section in ("receivers", "exporters", "extensions"):
        for name, component in mapping_in(values, section).items():
            if any(text.rstrip("}").endswith(port) for text in texts_in(component)):
                return f"{section}.{name}"
    return None


def _taken(name: str, file: str) -> ConfigurationError:
    return ConfigurationError(
        "it has a component of this name", value=name, where=file, remedy="pass another --name"
    )


def _front(group: Sequence[Pipeline], values: Mapping[str, Any]) -> list[str]:
    """The processors before the hop: a limit of memory first, then what says more of spans."""
    every = [item for one in group for item in one.processors] + [*mapping_in(values, "processors")]
    limiter = next((one for one in every if kind(one) == _LIMITER), None)
    first = [] if limiter is None else [limiter]
    return first + [one for one in leading(group) if kind(one) != _LIMITER]


def _put(
    document: YamlText,
    ours: _Names,
    wanted: Wanted,
    front: Sequence[str],
    group: Sequence[Pipeline],
) -> Iterator[str]:
    received = {"grpc": {"endpoint": wanted.back, "max_recv_msg_size_mib": "64"}}
    document.add(
        ("receivers",), ours.receiver, {"protocols": received}, "priced spans, from the hop"
    )
    document.add(
        ("exporters",), ours.exporter, _exporter(ours, wanted), "genai-cost collector serve"
    )
    pipelines = ("service", "pipelines")
    incoming: dict[str, Value] = {"receivers": list(group[0].receivers)}
    incoming |= {"processors": list(front)} if front else {}
    incoming |= {"exporters": [ours.exporter]}
    document.add(pipelines, ours.pipeline, incoming)
    for one in group:
        document.list((*pipelines, one.name, "receivers"), [ours.receiver])
        rest = [item for item in one.processors if item not in front or kind(item) == _LIMITER]
        if len(rest) < len(one.processors):
            document.list((*pipelines, one.name, "processors"), rest)
    yield from _keep(document, ours, wanted)


def _keep(document: YamlText, ours: _Names, wanted: Wanted) -> Iterator[str]:
    """Have the exporter's queue kept in files."""
    if ours.storage_is_new:
        folder = {"directory": wanted.queue, "create_directory": "true"}
        document.add(("extensions",), ours.storage, folder, "what the hop has not taken yet")
        yield f"{ours.storage} keeps {wanted.queue}: the extension is in the contrib distribution"
    used: list[str] = document.values["service"].get("extensions") or []
    if ours.storage not in used:
        document.list(("service", "extensions"), [ours.storage, *used])


def _exporter(ours: _Names, wanted: Wanted) -> Value:
    return {
        "endpoint": wanted.hop,
        "tls": {"insecure": "true"},
        "compression": "none",
        "retry_on_failure": {"max_elapsed_time": "0s"},
        "sending_queue": {
            "storage": ours.storage,
            "sizer": "items",
            "queue_size": "500000",
            "block_on_overflow": "true",
            "batch": {"min_size": "512", "max_size": "8192", "flush_timeout": "200ms"},
        },
    }
