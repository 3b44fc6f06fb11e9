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
    found = {_place(row): row for row in (*recorded(), *results)}
    write(_RECORDED, found.values())


def _place(row: Result) -> tuple[str, str]:
    """Its name and its peer, without the times that stand behind that where instructions decide."""
    return row.name, row.peer.partition(";")[0]


def write(path: Path, results: Iterable[Result]) -> None:
    """As `bench.json` is written."""
    rows = [result._asdict() for result in results]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
