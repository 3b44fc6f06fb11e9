"""A trace of the demo on its way to a trace UI: through a real collector, the hop, and the collector again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.collector.otelcol import SCENARIOS, start
from tests.collector.receiving import export
from tests.collector.scenarios import Hop, serving
from tests.demo.processes import Children, wait_until
from tests.queues.brokers import free_port
from tests.replay.otlp import protobuf

__all__ = ["SPANS", "TENANT", "TRACE_ID", "priced"]

_TRACE: Final = Path(__file__).with_name("trace.jsonl")
"""A request to the demo's service, and the work that it put into a queue, as the demo's receiver wrote it."""

TRACE_ID: Final = "c0c967f633259eb013cc3fa250e65fb0"
TENANT: Final = "globex"
SPANS: Final = 12
_CALLS: Final = 3
_ARRIVES_WITHIN_S: Final = 30


def priced(
    family: Children, folder: Path, profiles: str, exporter: str, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Send the trace to a UI.

    Args:
        family: Ends what is started.
        folder: Takes logs and the ledger.
        profiles: What spans show of their cost.
        exporter: The collector's, to the UI.
        settings: Of the exporter.

    Returns:
        The charges.
    """
    environment = {
        "OTEL_GENAI_COST_ATTRIBUTES": profiles,
        "OTEL_GENAI_COST_OVERLAYS": str(Path(__file__).with_name("own.toml")),
    }
    back = f"127.0.0.1:{free_port()}"
    hop = serving(family, folder, to=back, environment=environment)
    overlay = folder / "overlay.yaml"  # JSON is YAML
    pipelines = {"traces/priced": {"exporters": [exporter]}}
    overlay.write_text(
        json.dumps({"exporters": {exporter: settings}, "service": {"pipelines": pipelines}}),
        "utf-8",
    )
    configs = (SCENARIOS / "cost-hop.yaml", overlay)
    collector = start(family, folder, *configs, environment=hop.environment())
    for request in _requests():
        export(collector.at["OTLP_GRPC"], request.SerializeToString())
    return wait_until(lambda: _charges(hop), "the charges", _ARRIVES_WITHIN_S, family)


def _requests() -> list[Any]:
    """The trace as if it had ended now: trace UIs look back some days."""
    requests = [protobuf(json.loads(line)) for line in _TRACE.read_text("utf-8").splitlines()]
    spans = [
        span
        for request in requests
        for group in request.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    ]
    later_ns = time.time_ns() - max(span.end_time_unix_nano for span in spans)
    for span in spans:
        span.start_time_unix_nano += later_ns
        span.end_time_unix_nano += later_ns
    return requests


def _charges(hop: Hop) -> list[dict[str, Any]] | None:
    found = hop.charges_of(TENANT)
    return found if len(found) == _CALLS else None
