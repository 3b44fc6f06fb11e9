"""Files of revenue, imported by the command, and what is there then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Done, call

__all__ = ["import_files", "listed"]

Capture = pytest.CaptureFixture[str]


def import_files(capsys: Capture, home: Path, *texts: str, options: tuple[str, ...] = ()) -> Done:
    """Import files with these texts."""
    home.mkdir(exist_ok=True)
    files: list[str] = []
    for n, text in enumerate(texts):
        path = home / f"in{n}.txt"
        path.write_text(text, encoding="utf-8")
        files.append(str(path))
    return call(capsys, "revenue", "import", *files, *options, "--json", "--ledger", str(home))


def listed(capsys: Capture, home: Path) -> list[dict[str, Any]]:
    """What was imported, by ref."""
    done = call(capsys, "revenue", "list", "--json", "--ledger", str(home))
    assert done.code == 0
    return sorted(done.rows, key=lambda row: str(row["ref"]))
