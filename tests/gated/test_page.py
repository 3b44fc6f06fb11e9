"""The examples of docs/gate.md run, where the gate refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.gated.conftest import Application
from tests.gated.scripted_gate import ALLOW, BLOCK, ScriptedGate

_PAGE = Path(__file__).parents[2] / "docs" / "gate.md"
_EXAMPLES = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
_SAID = (
    "We can't summarise now: the budget is used up until 2026-12-01T00:00:00Z.",
    "Please come back later: the budget is used up until 2026-12-01T00:00:00Z.",
    "budget_exceeded tenant=acme 2026-12-01T00:00:00Z",
)


@pytest.mark.parametrize(("source", "said"), list(zip(_EXAMPLES, _SAID, strict=True)))
def test_an_example_says_what_it_should(
    source: str,
    said: str,
    gate: ScriptedGate,
    standin: StandIn,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{standin.base_url('openai')}/v1")
    application.ask(gate.url)
    gate.answer = BLOCK
    with application.instrumenting(OpenAIInstrumentor):
        exec(compile(source, str(_PAGE), "exec"), {})
        assert capsys.readouterr().out.strip() == said
        gate.answer = ALLOW
        exec(compile(source, str(_PAGE), "exec"), {})
    assert len(standin.received) == 1
