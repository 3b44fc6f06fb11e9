"""Journals through a real collector: it knows nothing of them, sends in any order, and again until all is there."""

from __future__ import annotations

import http.client
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.forwarding.wire import Lines, request_body
from otel_genai_cost.journal.reader import is_finished
from tests.collector.otelcol import require_otelcol, start
from tests.demo.processes import children, wait_until
from tests.intake.sent import line_ends
from tests.intake.served import begun, journalled, posted, wait_for_calls
from tests.queues.brokers import free_port

pytestmark = pytest.mark.service

_CONFIG: Final = """
extensions:
  health_check:
    endpoint: ${env:HEALTH:-127.0.0.1:13133}
receivers:
  otlp/services:
    protocols:
      http:
        endpoint: ${env:OTLP_HTTP:-127.0.0.1:4318}
exporters:
  otlp_http/ledger:
    logs_endpoint: ${env:LEDGER}
    encoding: ${env:ENCODING}
    headers:
      authorization: Bearer ${env:TOKEN}
    retry_on_failure:
      initial_interval: 200ms
      max_interval: 1s
service:
  extensions: [health_check]
  pipelines:
    logs/journals:
      receivers: [otlp/services]
      exporters: [otlp_http/ledger]
"""


def _post(port: int, lines: Lines) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/logs", request_body([lines]), headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_in_any_order_and_again_until_all_is_there(tmp_path: Path, encoding: str) -> None:
    require_otelcol()
    config, port = tmp_path / "collector.yaml", free_port()
    config.write_text(_CONFIG)
    journalled(tmp_path / "there", *range(1, 6))
    whole = posted(tmp_path / "there")
    ends = [0, *line_ends(whole.content)]
    with children() as started:
        ledger = begun(started, tmp_path)
        variables = {
            "LEDGER": f"http://{ledger.at}/v1/logs",
            "TOKEN": ledger.token("collector"),
            "ENCODING": encoding,
            "OTLP_HTTP": f"127.0.0.1:{port}",
        }
        start(started, tmp_path, config, environment=variables)
        for first, end in reversed(list(pairwise(ends))):
            is_last = end == ends[-1]
            assert (
                _post(port, Lines(whole.segment, first, whole.content[first:end], is_last)) == 200
            )
        kept = ledger.home / "journal" / "collector" / f"{whole.segment}.jsonl"
        wait_until(lambda: kept.exists() and is_finished(kept), "all of it", 90, (ledger.child,))
        assert kept.read_bytes() == whole.content
        assert set(wait_for_calls(ledger, 5).values()) == {1}
        assert ledger.metrics()['genai_cost_receiver_requests_total{answer="HOLE"}'] > 0
