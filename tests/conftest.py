"""How property tests draw their examples: the same in every run of continuous integration, so that a change is judged
by what it changed; new ones at home. None is timed.

Processes that tests start note where their journals are in a folder of the tests' own. Servers that many tests need are
started once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.queues.brokers import Brokers

settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")

os.environ.setdefault(
    "OTEL_GENAI_COST_REGISTRY", str(Path(tempfile.gettempdir()) / "otel-genai-cost-tests")
)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with ExitStack() as stack:
        yield Brokers(tmp_path_factory.mktemp("servers"), stack)
