"""How property tests draw their examples: the same in every run of continuous integration, so that a change is judged
by what it changed; new ones at home. None is timed."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")
