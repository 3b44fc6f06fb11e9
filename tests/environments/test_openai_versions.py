"""What the tests of the `openai` client say, with older versions of it: the oldest one that is traced, as far as its
API goes, and one before 3."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.environments.made import python_with

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]

_ROOT: Final = Path(__file__).resolve().parents[2]
_KEPT: Final = _ROOT / "build" / "environments"
_TOOLS: Final = ("pytest", "pytest-timeout", "hypothesis", "websockets>=13", "httpx<0.28")
_FILES: Final = ("media", "stored", "providers", "realtime")
_OLD: Final = "adds or variation or line or metadata or whoever or junk or moderation"
"""Names of tests whose part of the API 1.40 has: no responses, no streamed media, no realtime."""


@pytest.mark.parametrize(("version", "only"), [("1.40.0", _OLD), ("2.54.0", "")])
def test_an_older_version(version: str, only: str) -> None:
    python = python_with(_KEPT, f"openai=={version}", *_TOOLS, ours="[openai,cli,duckdb]")
    files = [f"tests/instrumentors/test_openai_{name}.py" for name in _FILES]
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", only, *files],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert " passed" in done.stdout
