"""The dashboard over Prometheus: each query is asked of a real one that scrapes a real ledger, agent and gate, and what
is spent is what `genai-cost report` says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from otel_genai_cost.forwarding.wire import Lines
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.tenancy.attribution import Attribution
from tests.cli.command import PROGRAM, rows
from tests.collector.otelcol import require_otelcol, start
from tests.collector.prometheus import Prometheus, prometheus, require_prometheus
from tests.demo.processes import Children, children, wait_until
from tests.intake.served import Served, agent_begun, environment
from tests.ledger.build import START_US, observe, tenant
from tests.monitoring.asked import Period, queries
from tests.queues.brokers import answers, free_port

pytestmark = pytest.mark.service

_HOSTILE: Final = "O'Brien \"&\\ Söhne\n<script>"
_TENANTS: Final = (*(f"t-{number}" for number in range(8)), _HOSTILE)
_SHOWN: Final = 4
_DAY_US: Final = 86_400_000_000
_COLLECTED: Final = """
extensions: {health_check: {endpoint: "${env:HEALTH:-127.0.0.1:1}"}}
receivers: {otlp: {protocols: {http: {endpoint: "${env:OTLP_HTTP:-127.0.0.1:1}"}}}}
exporters: {prometheus: {endpoint: "${env:SCRAPED:-127.0.0.1:1}", metric_expiration: 1h}}
service:
  extensions: [health_check]
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}
"""


class Watched(NamedTuple):
    """A ledger, and the Prometheus that watches it."""

    home: Path
    asked: Prometheus


def _journalled(folder: Path, numbers: range) -> Lines:
    """Calls of half a minute ago, or of when the day began, each tenant's dearer than those of the one before it."""
    journal = Journal([folder])
    now_us = time.time_ns() // 1000
    ended_us = max(now_us - 30_000_000, now_us - now_us % _DAY_US + 1_000_000) - START_US
    for number in numbers:
        who = number % (len(_TENANTS) + 1)
        whose = tenant(_TENANTS[who]) if who < len(_TENANTS) else Attribution()
        end_s = ended_us // 1_000_000
        model = "house-model" if number % 7 == 0 else "gpt-4o-2024-08-06"
        used = (1_000 * (who + 1), 10)
        at: dict[str, Any] = {"start_s": end_s - 1, "end_s": end_s, "attribution": whose}
        journal.append(to_record(observe(number, trace=number, tokens=used, model=model, **at)))
    journal.close()
    (path,) = folder.glob("*.jsonl")
    return Lines(path.stem, 0, path.read_bytes(), finished=True)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    require_prometheus()
    require_otelcol()
    folder = tmp_path_factory.mktemp("watched")
    with children() as family:
        config = folder / "metrics.yaml"
        config.write_text(_COLLECTED, "utf-8")
        collector = start(family, folder, config)
        ledger = _ledger(family, folder, collector.at["OTLP_HTTP"])
        agent = agent_begun(family, folder, f"http://{ledger.at}")
        gate = _gate(family, folder)
        targets = ", ".join((ledger.at, agent.at, gate, collector.at["SCRAPED"]))
        asked = prometheus(family, folder, targets)
        assert agent.send(_journalled(folder / "one", range(1, 40))).status == 200
        _booked(ledger.home, 39)
        assert agent.send(_journalled(folder / "two", range(40, 100))).status == 200
        _booked(ledger.home, 99)
        yield Watched(ledger.home, asked)


def _booked(home: Path, calls: int) -> None:
    def are_there() -> bool:
        found = rows("report", "--by", "service", "--json", "--ledger", str(home))
        return bool(sum(one["calls"] for one in found) == calls)

    wait_until(are_there, f"{calls} calls", 60)


def _ledger(family: Children, folder: Path, otlp: str) -> Served:
    folder.joinpath("home").mkdir()
    sink = {
        "OTEL_GENAI_COST_SINKS": "otlp_metrics",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{otlp}",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    command = [
        PROGRAM,
        "ledger",
        "serve",
        "--ledger",
        str(folder / "home"),
        "--listen",
        "127.0.0.1:0",
    ]
    command += ["--metrics-tenants", str(_SHOWN)]
    child = family.start("ledger", command, folder / "ledger.log", environment(folder, **sink))
    at = child.find(r"receiving journals at (?:https?://)?(\S+?)(?:/v1/logs)?$")
    return Served(child, folder / "home", at)


def _gate(family: Children, folder: Path) -> str:
    port = free_port()
    command = [PROGRAM, "gate", "serve", "--port", str(port), "--ledger", str(folder / "home")]
    child = family.start("gate", command, folder / "gate.log", environment(folder))
    wait_until(lambda: answers(port), "the gate to listen", 30, (child,))
    return f"127.0.0.1:{port}"


def _query(title: str) -> str:
    now = datetime.now(timezone.utc)
    (found,) = (one for one in queries("prometheus") if one.title == title)
    return found.on(Period(now, now), {})


@pytest.mark.parametrize("title", [one.title for one in queries("prometheus")])
def test_a_panel_has_an_answer(watched: Watched, title: str) -> None:
    query = _query(title)
    wait_until(lambda: watched.asked.values(query, ""), f"an answer to {query}", 30)


def test_what_is_spent_is_what_the_report_says(watched: Watched) -> None:
    bounds = {
        what: watched.asked.values(f"genai_cost_ledger_period_{what}_seconds", "period")
        for what in ("begin", "end")
    }
    for period, title in (("month", "This month"), ("day", "Today")):
        begin, end = (rfc3339(round(bounds[what][period] * 1_000_000)) for what in ("begin", "end"))
        spent = _reported(watched.home, "tenant", "--from", begin, "--to", end)
        together = {"USD": sum(spent.values())}
        _becomes(watched.asked, _query(title), "genai_cost_currency", together)
        shown = dict(sorted(spent.items(), key=lambda one: -one[1])[:_SHOWN])
        shown["other"] = together["USD"] - sum(shown.values())
        query = f'sum by (tenant_id) (genai_cost_ledger_spent{{period="{period}"}})'
        _becomes(watched.asked, query, "tenant_id", shown)
    begun = (time.time() - bounds["begin"]["month"]) / (
        bounds["end"]["month"] - bounds["begin"]["month"]
    )
    (foreseen,) = watched.asked.values(_query("At this rate, by the month's end"), "").values()
    spent = _reported(
        watched.home, "tenant", "--from", rfc3339(round(bounds["begin"]["month"] * 1e6))
    )
    assert foreseen == pytest.approx(sum(spent.values()) / begun, rel=0.01)
    (hidden,) = watched.asked.values(
        _query("Of tenants that are not shown by themselves"), ""
    ).values()
    assert 0 < hidden < 1


def test_sums_by_model_are_those_of_the_ledger(watched: Watched) -> None:
    query = _query("Cost by model, since the ledger began")
    _becomes(watched.asked, query, "genai_cost_model", _reported(watched.home, "model"))


def _reported(home: Path, by: str, *more: str) -> dict[str, float]:
    found = rows("report", "--by", by, "--json", *more, "--ledger", str(home))
    return {one[by] or "": float(one["total"] or 0) for one in found}


def _becomes(asked: Prometheus, query: str, label: str, wanted: dict[str, float]) -> None:
    def is_there() -> bool:
        return bool(asked.values(query, label) == pytest.approx(wanted, rel=1e-12))

    wait_until(is_there, f"{query} to be {wanted}; it is {asked.values(query, label)}", 40)
