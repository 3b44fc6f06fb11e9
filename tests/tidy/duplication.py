"""Duplication: less than 3 % of the lines may stand elsewhere too.

Run by `make check`. pylint's similarity checker compares whole files; imports, comments, docstrings and signatures
do not count.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = ("otel_genai_cost", "instrumentors", "exporters")
LINES_MIN: Final = 6
PERCENT_MAX: Final = 3.0
_OPTIONS: Final = (
    "--ignore-comments",
    "--ignore-docstrings",
    "--ignore-imports",
    "--ignore-signatures",
)


def main() -> int:
    files = [str(path) for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.py"))]
    symilar = str(Path(sys.executable).with_name("symilar"))
    found = subprocess.run(
        [symilar, f"--duplicates={LINES_MIN}", *_OPTIONS, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    percent = re.search(r"percent=([\d.]+)", found.stdout)
    print(found.stdout or found.stderr)
    if percent is None:
        print("duplication: the checker gave no figure")
        return 1
    return 0 if float(percent[1]) < PERCENT_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
