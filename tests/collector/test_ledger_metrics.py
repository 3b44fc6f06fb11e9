"""What the ledger's sums are in Prometheus behind a real collector, and that samples are not multiplied there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from tests.cli.command import rows, run
from tests.collector.otelcol import start
from tests.collector.prometheus import Prometheus, prometheus, require_prometheus
from tests.collector.receiving import export
from tests.collector.scenarios import Hop, Scenario
from tests.demo.processes import wait_until
from tests.ledger.build import observe, tenant
from tests.replay.otlp import chat, protobuf, request, span

pytestmark = pytest.mark.service

_CONFIG: Final = """
extensions: {health_check: {endpoint: "${env:HEALTH:-127.0.0.1:1}"}}
receivers: {otlp: {protocols: {http: {endpoint: "${env:OTLP_HTTP:-127.0.0.1:1}"}}}}
exporters: {prometheus: {endpoint: "${env:SCRAPED:-127.0.0.1:1}"}}
service:
  extensions: [health_check]
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}
"""
_NET: Final = (
    "sum by (tenant_id) (genai_cost_ledger_{0}_total - genai_cost_ledger_{0}_credited_total)"
)


def _observed(home: Path, number: int, who: str, *, again: bool = False) -> None:
    """A call of a tenant's, journalled; `again` by another that saw it, and is believed for whom it was."""
    one = observe(
        number,
        trace=number,
        start_s=number,
        end_s=number + 1,
        scope="gateway" if again else "client",
        response_id=f"r{number}",
        attribution=tenant(who, "for_tenant" if again else "baggage"),
    )
    if again:
        one = one._replace(id=f"{number:032x}", span_id=f"{number + 100:016x}")
    journal = Journal([home / "journal"])
    journal.append(to_record(one))
    journal.close()


def test_sums_of_the_ledger_in_prometheus(scenario: Scenario) -> None:
    require_prometheus()
    config, home = scenario.folder / "metrics.yaml", scenario.folder / "home"
    config.write_text(_CONFIG, "utf-8")
    running = start(scenario.family, scenario.folder, config)
    asked = prometheus(scenario.family, scenario.folder, running.at["SCRAPED"])
    environment = {
        "OTEL_GENAI_COST_SINKS": "otlp_metrics",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.at['OTLP_HTTP']}",
    }

    def ship() -> None:
        done = run("ship", "--drain", "--ledger", str(home), env=environment)
        assert done.returncode == 0, done.stderr

    for number in range(1, 4):
        _observed(home, number, "acme")
    ship()
    _becomes(asked, _NET.format("cost"), _booked(home), scenario)
    _observed(home, 4, "globex")
    _observed(home, 1, "globex", again=True)  # the first was globex's
    ship()
    booked = _booked(home)
    assert booked == pytest.approx({"acme": 2 * 0.0035, "globex": 2 * 0.0035})
    _becomes(asked, _NET.format("cost"), booked, scenario)
    _becomes(asked, _NET.format("calls"), {"acme": 2, "globex": 2}, scenario)
    _becomes(asked, _NET.format("tokens"), {"acme": 2 * 1100, "globex": 2 * 1100}, scenario)
    _becomes(
        asked,
        "sum by (tenant_id) (genai_cost_ledger_cost_credited_total)",
        {"acme": 0.0035, "globex": 0.0},
        scenario,
    )


def _booked(home: Path) -> dict[str, float]:
    sums: dict[str, float] = {}
    for entry in rows("entries", "--json", "--ledger", str(home)):
        sums[entry["tenant"]] = sums.get(entry["tenant"], 0.0) + float(entry["amount"])
    return sums


def _becomes(asked: Prometheus, query: str, wanted: dict[str, float], scenario: Scenario) -> None:
    def is_there() -> bool:
        return bool(asked.values(query, "tenant_id") == pytest.approx(wanted))

    wait_until(is_there, f"{query} to be {wanted}", 20, scenario.family)


def test_a_sampled_call_is_counted_once_and_costs_what_it_cost(
    scenario: Scenario, hop: Hop
) -> None:
    """OpenTelemetry's own way would be to count a call that shows `ot=th:c` four times."""
    require_prometheus()
    running = scenario.run("tenant-metrics", hop.environment())
    asked = prometheus(scenario.family, scenario.folder, running.at["PROMETHEUS"])
    whole = span(1, chat(tenant__id="whole"), trace_id="1" * 32)
    sampled = {**span(2, chat(tenant__id="sampled"), trace_id="2" * 32), "traceState": "ot=th:c"}
    odd = chat(tenant__id="odd", gen_ai__request__model="no", gen_ai__response__model="no")
    unpriced = {**span(3, odd, trace_id="3" * 32), "traceState": "ot=th:c"}
    export(running.at["OTLP_GRPC"], protobuf(request(whole, sampled, unpriced)).SerializeToString())
    (charge,) = hop.charges_of("sampled")
    cost = float(charge["amount"])
    by_tenant = "sum by (tenant_id) ({})"
    wanted = {"whole": cost, "sampled": cost}
    _becomes(asked, by_tenant.format("gen_ai_client_cost_USD_total"), wanted, scenario)
    _becomes(asked, by_tenant.format("gen_ai_client_unpriced_total"), {"odd": 1}, scenario)
    (coverage,) = rows("coverage", "--json", "--ledger", str(hop.ledger))
    assert coverage["partial"] == [{"service": "shop", "observations": 2}]
