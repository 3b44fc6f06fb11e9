"""The rows that were written down last, for the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.bench.measure import Result

__all__ = ["keep", "recorded", "write"]

_RECORDED: Final = Path(__file__).with_name("recorded.json")


def recorded() -> list[Result]:
    """None, if there is no such file yet."""
    if not _RECORDED.exists():
        return []
    return [Result(**row) for row in json.loads(_RECORDED.read_text("utf-8"))]


def keep(results: Iterable[Result]) -> None:
    """Write these down in the place of those with the same name and peer; the others stay."""
    found = {(row.name, row.peer): row for row in (*recorded(), *results)}
    write(_RECORDED, found.values())


def write(path: Path, results: Iterable[Result]) -> None:
    """As `bench.json` is written."""
    rows = [result._asdict() for result in results]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
