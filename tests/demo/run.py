"""`make demo`: the starter, so that it can be run as a file from anywhere. The story is in drive.py."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    runpy.run_module("tests.demo.drive", run_name="__main__")
