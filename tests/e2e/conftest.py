"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.demo.processes import children
from tests.e2e.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Generator[Rig]:
    """A provider and a place for applications; everything ends with the test."""
    bill = tmp_path / "provider.jsonl"
    with OpenAIStandIn(bill) as stand_in, children() as started:
        yield Rig(tmp_path, stand_in, started)
