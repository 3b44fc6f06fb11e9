"""Clients keep the contract in their oldest versions too, and those that cannot be installed beside the others."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

from otel_genai_instrumentors.manifest import Row
from tests.contract.rows import CLIENTS
from tests.demo.processes import ROOT
from tests.environments.made import python_with

pytestmark = pytest.mark.environments

_KEPT: Final = Path(tempfile.gettempdir()) / "otel-genai-cost-contract"
_TOOLS: Final = ("pytest", "pytest-timeout", "hypothesis", "typer", "rich")
_BESIDE: Final = {
    "openai": ("httpx < 0.28",),
    "anthropic": ("httpx < 0.28",),
    "groq": ("httpx < 0.28",),
}
"""What old versions of a library need and do not say."""


@pytest.mark.parametrize(
    ("row", "version"),
    [
        pytest.param(row, version, id=f"{row.library}-{version}")
        for row in CLIENTS
        for version in row.tested
    ],
)
@pytest.mark.timeout(900)
def test_a_version_keeps_the_contract(row: Row, version: str) -> None:
    python = python_with(_KEPT, f"{row.library}=={version}", *_BESIDE.get(row.library, ()), *_TOOLS)
    done = subprocess.run(
        [
            python,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "-W",
            "ignore",
            "tests/contract",
            "-k",
            f"{row.library}-",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
