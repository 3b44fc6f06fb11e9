"""The environment that has the libraries of the lakehouse, which are 400 MB, and what tests of sinks need."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.demo.processes import ROOT
from tests.environments.made import python_with

__all__ = ["KEPT", "python_with_lakehouse"]

KEPT: Final = ROOT / "build" / "environments"
_OURS: Final = "[cli,fast,otlp,otlp-sink,postgresql,kafka,tokens,lakehouse]"
_TOOLS: Final = ("pytest", "pytest-timeout", "hypothesis", "grpcio", "psutil", "polars >= 2")


def python_with_lakehouse() -> Path:
    """Its interpreter; the environment is made if it is not there."""
    return python_with(KEPT, *_TOOLS, ours=_OURS)
