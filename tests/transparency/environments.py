"""Virtual environments for the suite, kept in `build/environments/`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tests.demo.processes import ROOT
from tests.environments.made import python_with
from tests.transparency.rows import ENVIRONMENTS, HERE

__all__ = ["python_in"]

_KEPT: Final = ROOT / "build" / "environments"
_BASE: Final = ("opentelemetry-distro",)


def python_in(environment: str) -> Path:
    """The interpreter of one of the suite's environments."""
    if environment == HERE:
        return Path(sys.executable)
    return python_with(_KEPT, *_BASE, *ENVIRONMENTS[environment])
