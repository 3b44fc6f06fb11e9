"""What `doctor` says of the process that an application would be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import run

_NONE = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


def _doctor(folder: Path, **changes: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = run("doctor", "--json", "--ledger", str(folder), env={**_NONE, **changes})
    return done.returncode, {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_what_is_there_is_named(tmp_path: Path) -> None:
    code, found = _doctor(tmp_path, OTEL_GENAI_COST_TENANT="header:x-org-id")
    assert code == 0
    assert found["tracer provider"]["found"] == "opentelemetry.sdk.trace.TracerProvider"
    assert (found["exporter"]["state"], found["exporter"]["found"]) == ("warning", "none")
    assert "openai" in found["clients"]["found"].split(", ") and "asgi" in found["edge"]["found"]
    assert list((tmp_path / "journal").iterdir()) == []


def test_an_exporter_that_is_not_installed_is_what_keeps_all_of_it_from_starting(
    tmp_path: Path,
) -> None:
    code, found = _doctor(tmp_path, OTEL_TRACES_EXPORTER="zipkin")
    assert code == 1
    assert "'zipkin' not found" in found["opentelemetry-instrument"]["found"]
    assert "pip install opentelemetry-exporter-otlp" in found["opentelemetry-instrument"]["remedy"]


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_GENAI_COST_ENABLED", "false")]
)
def test_what_is_switched_off_is_said_to_be(tmp_path: Path, name: str, value: str) -> None:
    code, found = _doctor(tmp_path, **{name: value})
    assert (code, found["metering"]["found"]) == (0, f"switched off by {name}")
    assert "tracer provider" not in found and "clients" not in found
