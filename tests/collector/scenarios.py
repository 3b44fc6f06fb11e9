"""What tests of scenarios do: run a collector and the hop, send spans as services do, and read what came out."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_genai_cost import attributes as names
from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.otlp.span import WireSpan
from tests.cli.command import PROGRAM, rows, run
from tests.collector.otelcol import SCENARIOS, Otelcol, start
from tests.demo.processes import Child, Children, wait_until
from tests.demo.stage import clean_environment
from tests.queues.brokers import answers
from tests.replay.otlp import SCOPE, chat

__all__ = ["Hop", "Scenario", "calls", "made", "port_to_keep", "sent", "serving"]

_ARRIVES_WITHIN_S: Final = 20


class Hop(NamedTuple):
    """A hop that runs, where it listens, whom it sends to, and its ledger."""

    child: Child
    address: str
    to: str
    ledger: Path

    def environment(self) -> dict[str, str]:
        """What a scenario with a hop needs to know."""
        return {"HOP_GRPC": self.address, "PRICED_GRPC": self.to}

    def charges(self, spans: Iterable[WireSpan]) -> list[dict[str, Any]]:
        """The charge of each span, from its ledger, in their order."""
        by_id = {one["charge_id"]: one for one in self._rows()}
        return [by_id[span.attributes[names.COST_CHARGE_ID]] for span in spans]

    def charges_of(self, tenant: str) -> list[dict[str, Any]]:
        """All charges of a tenant."""
        return [one for one in self._rows() if one["tenant"] == tenant]

    def _rows(self) -> list[dict[str, Any]]:
        return rows("charges", "--json", "--ledger", str(self.ledger))


def serving(
    family: Children,
    folder: Path,
    *options: str,
    to: str,
    listen: str = "127.0.0.1:0",
    environment: Mapping[str, str] | None = None,
) -> Hop:
    """Start the hop, and wait until it listens."""
    ledger = folder / "ledger"
    command = [PROGRAM, "collector", "serve", "--listen", listen, "--to", to, *options]
    log = folder / f"hop-{len(list(folder.glob('hop-*')))}.log"
    own = {**clean_environment(), **(environment or {})}
    child = family.start("hop", [*command, "--ledger", ledger], log, own)
    return Hop(child, child.find(r"pricing spans that come to (\S+), and"), to, ledger)


def port_to_keep() -> int:
    """A free port that no connection gets that only goes out, for a server that comes later."""
    while True:
        port = random.randrange(20_000, 32_000)
        if not answers(port):
            return port


class Scenario:
    """Runs files of `collector-config/` in a folder of the test's.

    Args:
        folder: Where files are that collectors write.
        family: Ends them.
    """

    def __init__(self, folder: Path, family: Children) -> None:
        self.folder, self.family = folder, family

    def files(self, config: Path) -> dict[str, str]:
        """The files and folders that a scenario names by variables, in the test's folder."""
        named = re.findall(r"\$\{env:(\w+):-\./([\w.]+)\}", config.read_text("utf-8"))
        return {variable: str(self.folder / file) for variable, file in named}

    def run(self, name: str, environment: Mapping[str, str] | None = None, *more: Path) -> Otelcol:
        """Start a scenario, with further configurations, and wait until it is healthy."""
        config, *beside = self.configs(name)
        every = {**self.files(config), **(environment or {})}
        return start(self.family, self.folder, config, *beside, *more, environment=every)

    def configs(self, name: str) -> list[Path]:
        """The file of a scenario, and the one that it needs beside it: compiled prices, made unless the test has."""
        found = [SCENARIOS / f"{name}.yaml"]
        if name == "contrib-only":
            found.append(self.folder / "prices.yaml")
            if not found[1].exists():
                made = run("collector", "compile", "--provider", "openai")
                found[1].write_text(made.stdout, encoding="utf-8")
        return found

    def kill(self, child: Child) -> None:
        """End a child as a crash does."""
        child.kill()
        self.family.remove(child)

    def spans(self, file: str = "traces.jsonl", *, at_least: int = 1) -> list[WireSpan]:
        """The spans in a file of the collector's, once there are that many."""

        def found() -> list[WireSpan] | None:
            path = self.folder / file
            lines = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
            spans = [span for line in lines for span in json_request(json.loads(line)).spans]
            return spans if len(spans) >= at_least else None

        return wait_until(found, f"{at_least} spans in {file}", _ARRIVES_WITHIN_S, self.family)


def calls(
    *attributes: Mapping[str, object], resource: Mapping[str, str] | None = None, trace_id: int = 0
) -> list[ReadableSpan]:
    """Spans of LLM calls: `made` with the attributes of any call before these."""
    every = ({**chat(), **own} for own in attributes)
    return made(*every, resource=resource, trace_id=trace_id)


def made(
    *attributes: Mapping[str, Any], resource: Mapping[str, str] | None = None, trace_id: int = 0
) -> list[ReadableSpan]:
    """Spans that OpenTelemetry's SDK makes.

    Args:
        attributes: Of each.
        resource: Attributes of the service.
        trace_id: Of the trace that they are in; 0 for one each.
    """
    kept = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "shop", **(resource or {})}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer(SCOPE)
    for own in attributes:
        tracer.start_span("chat gpt-4o-mini", _below(trace_id), attributes=own).end()
    provider.shutdown()
    return list(kept.get_finished_spans())


def _below(trace_id: int) -> Context:
    """The context of a request that came in this trace."""
    if not trace_id:
        return Context()
    caller = SpanContext(trace_id, 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(caller), Context())


def sent(
    endpoint: str, spans: Sequence[ReadableSpan], headers: Mapping[str, str] | None = None
) -> bool:
    """Whether a receiver takes spans, in one request of OpenTelemetry's exporter for OTLP by gRPC.

    Args:
        endpoint: host:port.
        spans: What is sent.
        headers: What goes along, such as `authorization`.
    """
    exporter = OTLPSpanExporter(
        endpoint=endpoint, insecure=True, headers=dict(headers or {}), timeout=10
    )
    try:
        return exporter.export(spans) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()
