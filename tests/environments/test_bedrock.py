"""Amazon Bedrock by boto3 and aioboto3 in environments of their own: the oldest and the newest version, wrapt 1 and 2,
and beside each other instrumentation: one charge a call, and no baggage leaves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.demo.processes import ROOT
from tests.environments.made import python_with

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]

_KEPT = ROOT / "build" / "bedrock"
_UPSTREAM = "opentelemetry.instrumentation"
_SETUPS = {
    "oldest": (("boto3==1.34.116", "botocore==1.34.116"), "boto3", ()),
    "newest": (("boto3",), "boto3", ()),
    "aioboto3": (("aioboto3",), "aioboto3", ()),
    "aioboto3, aiohttp": (
        ("aioboto3", "opentelemetry-instrumentation-aiohttp-client"),
        "aioboto3",
        (f"{_UPSTREAM}.aiohttp_client:AioHttpClientInstrumentor",),
    ),
    "urllib3": (
        ("boto3", "opentelemetry-instrumentation-urllib3"),
        "boto3",
        (f"{_UPSTREAM}.urllib3:URLLib3Instrumentor",),
    ),
    "botocore": (
        ("boto3", "opentelemetry-instrumentation-botocore"),
        "boto3",
        (f"{_UPSTREAM}.botocore:BotocoreInstrumentor",),
    ),
    "genai-bedrock": (
        ("boto3", "opentelemetry-instrumentation-genai-bedrock"),
        "boto3",
        (f"{_UPSTREAM}.genai.bedrock:BedrockInstrumentor",),
    ),
    "OpenLLMetry": (
        ("boto3", "opentelemetry-instrumentation-bedrock"),
        "boto3",
        (f"{_UPSTREAM}.bedrock:BedrockInstrumentor",),
    ),
    "OpenInference": (
        ("boto3", "openinference-instrumentation-bedrock"),
        "boto3",
        ("openinference.instrumentation.bedrock:BedrockInstrumentor",),
    ),
}
"""What is installed, the client, and what is set up beside ours."""


@pytest.mark.parametrize("setup", _SETUPS)
def test_each_call_is_charged_once(tmp_path: Path, setup: str) -> None:
    packages, client, others = _SETUPS[setup]
    python = python_with(_KEPT, *packages)
    module = "tests.environments.bedrock_program"
    done = subprocess.run(
        [str(python), "-m", module, client, str(tmp_path), *others],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    calls = [each for each in found if "call" in each]
    assert len(calls) == 4
    for each in calls:
        assert each["charged"] == [[2041, 997]], each
        assert each["baggage"] is False
    cancelled = [each for each in found if "cancelled" in each]
    assert [each["quality"] for each in cancelled] == (
        ["unknown", "estimated"] if client == "aioboto3" else []
    )
    for each in cancelled:
        assert (each["is_cancelled"], each["tenant"]) == (True, "acme")
        assert each["low"].keys() == {"input", "output"}
