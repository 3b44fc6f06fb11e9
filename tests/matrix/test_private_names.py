"""The private names of OpenTelemetry, and what takes their place, under several of its versions."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.environments.made import python_with

ROOT: Final = Path(__file__).resolve().parents[2]
RELEASES: Final = (
    ("1.33.1", "0.54b1"),
    ("1.38.0", "0.59b0"),
    ("1.40.0", "0.61b0"),
    ("1.43.0", "0.64b0"),
    ("", ""),
)
"""SDK and instrumentation; empty is the newest. From 1.40 on the SDK has the hook that we meter in."""

_TOOLS: Final = ("pytest", "pytest-timeout", "hypothesis")

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("sdk", "instrumentation"), RELEASES)
def test_private_names(tmp_path: Path, sdk: str, instrumentation: str) -> None:
    wanted = [
        f"{name}=={version}" if version else name
        for name, version in (
            ("opentelemetry-sdk", sdk),
            ("opentelemetry-instrumentation", instrumentation),
        )
    ]
    python = python_with(tmp_path, *wanted, *_TOOLS)
    asked = "import opentelemetry.sdk.version as sdk; print(sdk.__version__)"
    assert _printed(python, "-c", asked).startswith(sdk)
    tests = ("tests/metering/test_sdk_span.py", "-p", "no:cacheprovider")
    assert " passed" in _printed(python, "-m", "pytest", "-q", *tests)


@pytest.mark.parametrize("release", ["1.40.0", ""])
def test_private_names_of_the_otlp_exporters(tmp_path: Path, release: str) -> None:
    """What a receiver answers is heard, over gRPC and HTTP."""
    wanted = f"opentelemetry-exporter-otlp=={release}" if release else "opentelemetry-exporter-otlp"
    python = python_with(tmp_path, wanted, "cryptography", *_TOOLS, ours="[duckdb,otlp-sink]")
    asked = "from importlib.metadata import version; print(version('opentelemetry-exporter-otlp'))"
    assert _printed(python, "-c", asked).startswith(release)
    files = ("tests/exporters/test_otlp.py", "tests/exporters/test_otlp_metrics.py")
    tests = (*files, "-p", "no:cacheprovider")
    assert " passed" in _printed(python, "-m", "pytest", "-q", *tests)


def _printed(python: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(python), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
