"""Clients keep the contract in the oldest version and in the newest that are named, as far as those are not installed
here, where the contract runs anyway."""

from __future__ import annotations

import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, version
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
    "botocore": ("boto3",),
}
"""What old versions of a library need and do not say, or what it is called by."""


def _is_here(row: Row, tested: str) -> bool:
    try:
        return version(row.library) == tested
    except PackageNotFoundError:
        return False


@pytest.mark.parametrize(
    ("row", "tested"),
    [
        pytest.param(row, tested, id=f"{row.library}-{tested}")
        for row in CLIENTS
        for tested in row.tested
        if not _is_here(row, tested)
    ],
)
@pytest.mark.timeout(900)
def test_a_version_keeps_the_contract(row: Row, tested: str) -> None:
    _run(row.library, f"{row.library}=={tested}", *_BESIDE.get(row.library, ()))


@pytest.mark.timeout(900)
def test_aioboto3_keeps_the_contract_of_bedrock() -> None:
    _run("botocore", "aioboto3")


def _run(library: str, *packages: str) -> None:
    """The cases of a library, where these packages are installed."""
    python = python_with(_KEPT, *packages, *_TOOLS)
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
            f"{library}-",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
