"""The wheel on every supported Python, each paired with an OpenTelemetry it has to work with.

Each pair gets a fresh environment with the base install only (pure Python, no msgspec, no DuckDB), so this also
proves that nothing optional is needed by the part that runs inside an application.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.environments.made import interpreter

ROOT: Final = Path(__file__).resolve().parents[2]
PAIRS: Final = (
    ("3.10", "1.33.1", "0.54b1"),
    ("3.11", "1.40.0", "0.61b0"),
    ("3.12", "", ""),
    ("3.13", "", ""),
)
"""Python, OpenTelemetry SDK, OpenTelemetry instrumentation; empty is the newest."""

BASE_TESTS: Final = ("usage", "pricing", "tenancy", "journal", "metering")
NEED_EXTRAS: Final = (
    "tests/pricing/test_bundle.py",
    "tests/tenancy/test_edge.py",
    "tests/tenancy/test_tokens.py",
    "tests/tenancy/test_wrong_tenants.py",
)
"""Tests of what an extra brings."""

BASE_TEST_TOOLS: Final = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "psutil")

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(900)]


def _python(version: str) -> str:
    """The interpreter of that version."""
    found = interpreter(version)
    if found is not None:
        return found
    reason = f"no Python {version} here; install it, e.g. with pyenv"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once."""
    folder = tmp_path_factory.mktemp("wheel")
    python = _python("3.11")
    _run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"{' '.join(command)}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout


@pytest.mark.parametrize(("python", "sdk", "instrumentation"), PAIRS)
def test_base_install(
    wheel: Path, tmp_path: Path, python: str, sdk: str, instrumentation: str
) -> None:
    _run(_python(python), "-m", "venv", str(tmp_path / "venv"))
    inside = str(tmp_path / "venv" / "bin" / "python")
    wanted = [f"opentelemetry-sdk=={sdk}"] if sdk else ["opentelemetry-sdk"]
    wanted += [f"opentelemetry-instrumentation=={instrumentation}"] if instrumentation else []
    _run(inside, "-m", "pip", "install", "--quiet", str(wheel), *wanted, *BASE_TEST_TOOLS)
    installed = _run(inside, "-m", "pip", "list", "--format=freeze")
    assert "msgspec" not in installed
    assert "duckdb" not in installed
    # A copy of the tests alone: the checkout's sources must not shadow the wheel.
    shutil.copytree(ROOT / "tests", tmp_path / "run" / "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "run")
    folders = [f"tests/{folder}" for folder in BASE_TESTS]
    folders += [f"--ignore={path}" for path in NEED_EXTRAS]
    report = _run(inside, "-m", "pytest", "-q", "-n", "2", *folders, cwd=tmp_path / "run")
    assert " passed" in report
