"""A gate is asked before the calls of a library that cannot live with the other clients, in its oldest version and its
newest. The oldest keeps its streams, and clients of loops that are over, so its calls without a stream are made."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.demo.processes import ROOT
from tests.environments.made import python_with

pytestmark = [pytest.mark.environments, pytest.mark.timeout(900)]

_KEPT: Final = Path(tempfile.gettempdir()) / "otel-genai-cost-contract"
_TOOLS: Final = ("pytest", "pytest-timeout", "hypothesis", "typer", "rich", "tenacity")


@pytest.mark.parametrize(
    ("version", "which"), [("1.63", "litellm and happens and not stream"), ("1.97.0", "litellm")]
)
def test_litellm_is_gated(version: str, which: str) -> None:
    python = python_with(_KEPT, f"litellm=={version}", *_TOOLS)
    files = [f"tests/gated/test_{name}.py" for name in ("every_client", "litellm")]
    words = ["-q", "-p", "no:cacheprovider", "-W", "ignore", *files, "-k", which]
    done = subprocess.run(
        [python, "-m", "pytest", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
