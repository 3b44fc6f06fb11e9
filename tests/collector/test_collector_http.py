"""A real collector around a hop by HTTP: what its exporter sends, and that it keeps what the hop cannot pass on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest

from tests.cli.command import rows
from tests.collector.hop_process import hop_process
from tests.collector.otelcol import start
from tests.collector.receiving import export
from tests.collector.scenarios import Scenario
from tests.demo.processes import wait_until
from tests.queues.brokers import free_port
from tests.replay.otlp import chat, protobuf, request, span

pytestmark = pytest.mark.service

_TO_HOP: Final = """
extensions:
  health_check:
    endpoint: ${env:HEALTH:-127.0.0.1:13133}
receivers:
  otlp/services:
    protocols:
      grpc:
        endpoint: ${env:OTLP_GRPC:-127.0.0.1:4317}
exporters:
  otlp_http/hop:
    traces_endpoint: ${env:HOP_HTTP}
    encoding: ${env:ENCODING}
    retry_on_failure:
      initial_interval: 200ms
      max_interval: 1s
service:
  extensions: [health_check]
  pipelines:
    traces/services:
      receivers: [otlp/services]
      exporters: [otlp_http/hop]
"""
_FROM_HOP: Final = """
extensions:
  health_check:
    endpoint: ${env:HEALTH:-127.0.0.1:13133}
receivers:
  otlp/priced:
    protocols:
      http:
        endpoint: ${env:PRICED_HTTP}
exporters:
  file/traces:
    path: ${env:TRACES_FILE}
    flush_interval: 200ms
service:
  extensions: [health_check]
  pipelines:
    traces/priced:
      receivers: [otlp/priced]
      exporters: [file/traces]
"""


@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_a_collector_sends_by_http_and_again_until_the_receiver_is_there(
    scenario: Scenario, tmp_path: Path, encoding: str
) -> None:
    """Compressed, as it does by itself; the collector behind the hop starts later, and nothing is lost or doubled."""
    priced = f"127.0.0.1:{free_port()}"
    hop = hop_process(scenario.family, tmp_path, f"http://{priced}", "--gzip")
    into, behind = tmp_path / "into.yaml", tmp_path / "behind.yaml"
    into.write_text(_TO_HOP)
    behind.write_text(_FROM_HOP)
    sender = {"HOP_HTTP": hop.http, "ENCODING": encoding}
    first = start(scenario.family, tmp_path, into, environment=sender)
    calls = [span(n, chat(tenant__id="acme"), start_s=9 * n, end_s=9 * n + 1) for n in (1, 2, 3)]
    for call in calls:
        export(first.at["OTLP_GRPC"], protobuf(request(call)).SerializeToString())
    wait_until(lambda: len(hop.observations()) >= 3, "calls to be journalled", 20, scenario.family)
    time.sleep(1)
    files = {"PRICED_HTTP": priced, "TRACES_FILE": str(tmp_path / "traces.jsonl")}
    start(scenario.family, tmp_path, behind, environment=files)
    shown = scenario.spans(at_least=3)
    assert sorted(one.span_id for one in shown) == [1, 2, 3]
    assert {one.attributes["genai_cost.status"] for one in shown} == {"priced"}
    charges = rows("charges", "--json", "--ledger", str(tmp_path))
    assert {one["charge_id"] for one in charges} == {
        one.attributes["genai_cost.charge_id"] for one in shown
    }
    assert len(charges) == 3
