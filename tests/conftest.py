"""How property tests draw their examples: the same in every run of continuous integration, so that a change is judged
by what it changed; new ones at home. None is timed.

Processes that tests start note where their journals are in a folder of the tests' own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import settings

settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")

os.environ.setdefault(
    "OTEL_GENAI_COST_REGISTRY", str(Path(tempfile.gettempdir()) / "otel-genai-cost-tests")
)
