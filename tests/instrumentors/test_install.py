"""`install()` puts what is ours in place, as `opentelemetry-instrument` does, and gives way to who asks by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.metering.programs import Ran, run

_QUIET = {"OTEL_GENAI_COST_QUIET": "true"}
_CALL = """
import openai
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
with StandIn("openai") as provider:
    provider.script.always(Answer(Usage(1_000, 100)))
    client = openai.OpenAI(base_url=provider.url + "/v1", api_key="sk-test", max_retries=0)
    with tenant("acme"):
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])
"""
_PROVIDER = "trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))\n"


def _is_charged_once(ran: Ran) -> bool:
    assert (ran.code, ran.stderr) == (0, ""), ran.stderr
    return [(each.cost.total_text, each.attribution.tenant) for each in ran.journalled] == [
        ("0.00021", "acme")
    ]


@pytest.mark.parametrize(
    "switch_on",
    [
        _PROVIDER + "install()",
        "install()\n" + _PROVIDER,
        _PROVIDER + "install(); install()",
        "import openai\n" + _PROVIDER + "install()",
        _PROVIDER + "from otel_genai_instrumentors.entry import OpenAIInstrumentor\n"
        "install(); OpenAIInstrumentor().instrument()",
        _PROVIDER + "from otel_genai_instrumentors.entry import OpenAIInstrumentor\n"
        "OpenAIInstrumentor().instrument(); install()",
    ],
)
def test_a_call_of_a_client_that_nobody_else_traces_is_charged_once(
    switch_on: str, tmp_path: Path
) -> None:
    assert _is_charged_once(run(switch_on + _CALL, tmp_path, _QUIET))


def test_who_asks_by_name_may_name_a_provider(tmp_path: Path) -> None:
    program = """
from otel_genai_instrumentors.entry import OpenAIInstrumentor
trace.set_tracer_provider(TracerProvider())
install()
other = TracerProvider(); attach(other)
ended = []
class Look(trace_sdk.SpanProcessor):
    def on_end(self, span): ended.append(span.name)
other.add_span_processor(Look())
OpenAIInstrumentor().instrument(tracer_provider=other)
"""
    prelude = "import opentelemetry.sdk.trace as trace_sdk\n"
    ran = run(prelude + program + _CALL + "say(ended)", tmp_path, _QUIET)
    assert _is_charged_once(ran) and ran.said == [["chat gpt-4o-mini"]]


@pytest.mark.parametrize("left_out", ["*", "flask, genai_cost_openai"])
def test_what_the_environment_leaves_out_is_left_out(left_out: str, tmp_path: Path) -> None:
    environment = {**_QUIET, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": left_out}
    ran = run(_PROVIDER + "install()" + _CALL, tmp_path, environment)
    assert (ran.code, ran.stderr, ran.journalled) == (0, "", [])


def test_an_instrumentor_that_fails_stops_no_other(tmp_path: Path) -> None:
    program = """
from otel_genai_instrumentors.clients import anthropic
def fail(self, **options): raise RuntimeError("it cannot")
anthropic.AnthropicInstrumentor.instrument = fail
"""
    ran = run(program + _PROVIDER + "install()" + _CALL, tmp_path, _QUIET)
    assert ran.code == 0 and "activation.instrumentor failed 1 time(s)" in ran.stderr
    assert [each.cost.total_text for each in ran.journalled] == ["0.00021"]


def test_the_start_up_line_names_the_client(tmp_path: Path) -> None:
    ran = run(_PROVIDER + "install()", tmp_path)
    [line] = ran.stderr.splitlines()
    assert "; clients " in line and "openai" in line.partition("; clients ")[2].partition(";")[0]
