"""How metering itself is doing, as an operator sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.metering.programs import run

_READER = """
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from otel_genai_cost import errors
reader = InMemoryMetricReader()

def report():
    data = reader.get_metrics_data()
    return {
        f"{metric.name} {next(iter(point.attributes.values()))}": point.value
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        if scope.scope.name == "otel_genai_cost"  # an SDK may report on itself
        for metric in scope.metrics
        for point in metric.data.data_points
    }
"""
_STARTED = (
    _READER
    + """
from otel_genai_cost import system
metrics.set_meter_provider(MeterProvider([reader]))
trace.set_tracer_provider(TracerProvider())
install()
"""
)
_QUIET = {"OTEL_GENAI_COST_QUIET": "true"}


def test_outcomes_refusals_and_failures_are_counted(tmp_path: Path) -> None:
    program = (
        _STARTED
        + """
for _ in range(3): call()
call(**{"gen_ai.request.model": "gpt-99"})
call(**{"gen_ai.usage.input_tokens": -1})
call(**{"tenant.id": "no tenant"})
call(**{"tenant.id": "acme"})
with system("judging"): call()
errors.failures["somewhere"] = 2
say(report())
"""
    )
    [said] = run(program, tmp_path, _QUIET).said
    assert said == {
        "genai_cost.observations priced": 6,
        "genai_cost.observations unknown_model": 1,
        "genai_cost.observations invalid_usage": 1,
        "genai_cost.unattributed missing": 5,
        "genai_cost.unattributed invalid": 1,
        "genai_cost.spend missing": pytest.approx(0.00063),
        "genai_cost.spend invalid": pytest.approx(0.00021),
        "genai_cost.spend tenant": pytest.approx(0.00021),
        "genai_cost.spend system": pytest.approx(0.00021),
        "genai_cost.attributed_share USD": 1 / 6,
        "genai_cost.not_journalled waiting_or_lost": 0,
        "genai_cost.not_journalled lost": 0,
        "genai_cost.failures somewhere": 2,
        "genai_cost.tenant_refusals invalid": 1,
    }


def test_what_is_not_journalled_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "below")
    program = (
        _STARTED
        + """
for _ in range(10_003): call()
say(report())
"""
    )
    environment = {
        **_QUIET,
        "OTEL_GENAI_COST_JOURNAL": nowhere,
        "HOME": nowhere,
        "TMPDIR": nowhere,
    }
    ran = run(program, tmp_path, environment)
    assert ran.said[0]["genai_cost.not_journalled waiting_or_lost"] == 10_003
    assert ran.said[0]["genai_cost.not_journalled lost"] == 3
    assert len(ran.error_lines) == 1


def test_several_providers_are_one_sum_even_if_the_meter_comes_last(tmp_path: Path) -> None:
    program = (
        _READER
        + """
providers = [TracerProvider() for _ in range(3)]
for n, provider in enumerate(providers):
    attach(provider, journal=f"{os.environ['TMPDIR']}/{n}")
metrics.set_meter_provider(MeterProvider([reader]))
for provider in providers: call(provider)
say(report())
"""
    )
    [said] = run(program, tmp_path, _QUIET).said
    assert said["genai_cost.observations priced"] == 3


def test_what_a_gate_said_is_counted_and_a_child_begins_anew(tmp_path: Path) -> None:
    program = (
        _STARTED
        + """
from otel_genai_cost import admission
admission.counts.update(allow=3, budget_exceeded=1, down=2)
pid = os.fork()
if pid == 0:
    admission.counts.update(shrink=1)
    say(report())
    os._exit(0)
os.waitpid(pid, 0)
say(report())
"""
    )
    child, parent = run(program, tmp_path, _QUIET).said
    assert _gate_answers(child) == {"shrink": 1}
    assert _gate_answers(parent) == {"allow": 3, "budget_exceeded": 1, "down": 2}


def _gate_answers(said: Mapping[str, Any]) -> dict[str, Any]:
    name = "genai_cost.gate_answers "
    return {key.removeprefix(name): count for key, count in said.items() if key.startswith(name)}


def test_a_forked_child_reports_its_own_calls_only(tmp_path: Path) -> None:
    program = (
        _STARTED
        + """
call(); call(**{"tenant.id": "no tenant"})
errors.failures["somewhere"] = 2
pid = os.fork()
if pid == 0:
    call()
    say(report())
    os._exit(0)
os.waitpid(pid, 0)
say(report())
"""
    )
    child, parent = run(program, tmp_path, _QUIET).said
    assert child["genai_cost.observations priced"] == 1
    assert child["genai_cost.unattributed missing"] == 1
    assert "genai_cost.unattributed invalid" not in child
    assert not any("failures" in name or "refusals" in name for name in child)
    assert parent["genai_cost.observations priced"] == 2
    assert parent["genai_cost.failures somewhere"] == 2


def test_nothing_is_reported_that_instrumentations_report_already(tmp_path: Path) -> None:
    program = (
        _STARTED
        + """
call()
say(report())
"""
    )
    [said] = run(program, tmp_path, _QUIET).said
    assert said and all(name.startswith("genai_cost.") for name in said)
