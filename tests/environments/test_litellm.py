"""LiteLLM, its oldest version and its newest: a call that fell back keeps the model that was asked for first, and the
stream of a host that is to be asked for its usage has it, of which the application sees nothing."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.demo.processes import ROOT
from tests.environments.made import python_with

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]

_KEPT: Final = Path(tempfile.gettempdir()) / "otel-genai-cost-contract"
_PROGRAM: Final = "tests.environments.litellm_program"
_USED: Final = {"input": 1_200, "output": 300}
_CLAUDE: Final = "claude-opus-4-7"

Cases = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module", params=("1.63", "1.97.0"))
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Cases, Cases]:
    """All cases without us, and with us."""
    python = python_with(_KEPT, f"litellm=={request.param}", "typer", "rich")
    return _run(python), _run(python, str(tmp_path_factory.mktemp("journal")))


def _run(python: Path, *folder: str) -> Cases:
    command = [str(python), "-m", _PROGRAM, *folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "in this process, the call itself is unharmed" not in done.stderr
    found: Cases = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_application_sees_what_it_would_without_us(runs: tuple[Cases, Cases]) -> None:
    without, ours = runs
    assert {name: case["shown"] for name, case in ours.items()} == {
        name: case["shown"] for name, case in without.items()
    }


@pytest.mark.parametrize("case", ["fallback", "fallback, async", "fallback in a loop"])
def test_a_fall_back_keeps_the_model_that_was_asked_for(
    runs: tuple[Cases, Cases], case: str
) -> None:
    refused, served = runs[1][case]["charges"]
    assert (refused["asked"], refused["sent"], refused["tokens"]) == (None, "gpt-4o", {})
    assert (served["asked"], served["sent"]) == ("openai/gpt-4o", _CLAUDE)
    assert (served["answered"], served["status"], served["tokens"]) == (_CLAUDE, "priced", _USED)
    assert refused["tenant"] == served["tenant"] == "acme"


@pytest.mark.parametrize("case", ["router", "router, async"])
def test_a_routers_fall_back_keeps_the_group_that_was_asked_for(
    runs: tuple[Cases, Cases], case: str
) -> None:
    refused, served = runs[1][case]["charges"]
    assert (refused["asked"], refused["sent"]) == (None, "gpt-4o")
    assert (served["asked"], served["sent"]) == ("smart", "gpt-4o-mini")
    assert (served["tokens"], served["tenant"]) == (_USED, "acme")


def test_a_call_that_was_served_at_once_fell_back_from_nothing(runs: tuple[Cases, Cases]) -> None:
    [served] = runs[1]["the first is served"]["charges"]
    assert (served["asked"], served["sent"], served["tokens"]) == (None, "gpt-4o", _USED)


@pytest.mark.parametrize(
    "case", ["stream", "stream with usage", "stream of Azure", "stream, async"]
)
def test_a_stream_is_charged_by_what_the_provider_reports(
    runs: tuple[Cases, Cases], case: str
) -> None:
    [charge] = runs[1][case]["charges"]
    assert (charge["quality"], charge["tokens"]) == ("reported", _USED)
