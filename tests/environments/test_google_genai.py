"""`google-genai` from the oldest version to the newest, over each HTTP library, alone and beside other tools: one
charge a billed response, and no baggage that leaves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.demo.processes import ROOT
from tests.environments.made import python_with

_KEPT = ROOT / "build" / "environments"
_HTTPX = "opentelemetry-instrumentation-httpx"
_REQUESTS = "opentelemetry-instrumentation-requests"
_AIOHTTP = "opentelemetry-instrumentation-aiohttp-client"

ENVIRONMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "1.0.0 over requests": ("", ("google-genai==1.0.0", _REQUESTS)),
    "1.20.0 over httpx": ("", ("google-genai==1.20.0", _HTTPX)),
    "1.75.0 over httpx and aiohttp": ("", ("google-genai==1.75.0", "aiohttp", _HTTPX, _AIOHTTP)),
    "2.34.0 over httpx": ("", ("google-genai==2.34.0", _HTTPX)),
    "3.6.1 over httpx2 and aiohttp": ("", ("google-genai==3.6.1", "aiohttp", _AIOHTTP)),
    "OpenTelemetry 1.3b0": (
        "opentelemetry",
        ("google-genai==2.34.0", "opentelemetry-instrumentation-google-genai==1.3b0", _HTTPX),
    ),
    "OpenInference 1.4.14": (
        "openinference",
        ("google-genai==3.6.1", "openinference-instrumentation-google-genai==1.4.14"),
    ),
    "OpenLLMetry 0.62.4": (
        "openllmetry",
        ("google-genai==3.6.1", "opentelemetry-instrumentation-google-generativeai==0.62.4"),
    ),
    "OpenLIT 1.45.0": ("openlit", ("google-genai==3.6.1", "openlit==1.45.0")),
}
"""Another instrumentation, if any, and what is installed."""

_WHOLE = ("plain", "streamed", "tools", "async")


def _run(python: Path, other: str) -> dict[str, Any]:
    command = [str(python), "-m", "tests.environments.google_program", *([other] if other else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.environments
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_billed_response_is_one_charge_and_no_baggage_leaves(environment: str) -> None:
    other, packages = ENVIRONMENTS[environment]
    found = _run(python_with(_KEPT, *packages), other)
    cases = found["cases"]
    assert {name: cases[name]["charged"] for name in _WHOLE} == {
        name: cases[name]["billed"] for name in _WHOLE
    }
    (left,) = cases["left"]["charged"]
    assert (left["input_tokens"], cases["left"]["quality"]) == (347, ["estimated"])
    assert (cases["embedded"]["charged"], cases["embedded"]["quality"]) == ([{}], ["unknown"])
    assert cases["counted"]["charged"] == []
    assert {tenant for case in cases.values() for tenant in case["tenants"]} == {"acme"}
    assert [case["baggage"] for case in cases.values() if case["baggage"]] == []
    assert found["errors"] == {}
    if "over" in environment:  # without us it would leave, or this could not fail
        assert any(case["baggage"] for case in found["without_us"].values())
        assert cases["async"]["traced"]
